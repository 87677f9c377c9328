# Sourced by tools/test: the clients of other languages, installed into build/ as their lock files pin them.
# shellcheck shell=bash

# quietly WHAT command…: the command's output is shown if it fails.
quietly() {
  local what=$1 log
  shift
  log=$(mktemp)
  step "$what"
  if ! "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    return 1
  fi
  rm -f "$log"
}

# Whether the first file is there and newer than the others.
newer_than() {
  local made=$1
  shift
  [ -e "$made" ] && [ -z "$(find "$@" -newer "$made" -print -quit)" ]
}

# install_java PROJECT FOLDER [sources…]: its libraries, by the folder's pom.xml, into ~/.m2, their class path
# into build/PROJECT/classpath, what is compiled from the sources into build/PROJECT/classes. Maven has no
# lock file: dependencies.sha256 beside the pom.xml says which files they have to be, and `java_sums PROJECT`
# makes it after a change.
install_java() {
  local project=$1 pom=$2/pom.xml sums=$2/dependencies.sha256 into=build/$1
  shift 2
  install_packages openjdk-17-jdk-headless maven
  newer_than "$into/installed" "$pom" "$sums" "$@" && return 0
  mkdir -p "$into"
  quietly "installing $project into $into" mvn -q -B -ntp -f "$pom" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile="$PWD/$into/classpath"
  if ! java_sums "$project" | diff "$sums" - >&2; then
    echo "$project's libraries are not those of $sums" >&2
    return 1
  fi
  rm -rf "$into/classes"
  quietly "compiling $project" javac -d "$into/classes" -cp "$(cat "$into/classpath")" "$@"
  touch "$into/installed"
}

java_sums() {
  tr : '\n' <"build/$1/classpath" | while read -r library; do
    printf '%s  %s\n' "$(sha256sum <"$library" | cut -d' ' -f1)" "${library##*/}"
  done | LC_ALL=C sort -k2
}

# build/go/go: the machine's, or where that is older than go.mod asks for, as Debian 12's 1.19 is, a newer one,
# which is published as a module.
GO_VERSION=1.24.10 GO_SUM='h1:t7US/kj2nvdPN3Xhzi55/tMThO0GRmyR9GhmFle1gk4='
find_go() {
  local into=$PWD/build/go module go
  command -v go >/dev/null || install_packages golang-go
  go=$(command -v go)
  mkdir -p "$into"
  if ! printf 'go%s\n%s\n' "$GO_VERSION" "$(go env GOVERSION)" | sort -V -C; then
    step "installing Go $GO_VERSION into build/go"
    printf 'module newer\n' >"$into/go.mod"
    module=$(cd "$into" && GOFLAGS=-mod=mod GOMODCACHE=$into/modules \
      go mod download -json "golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-amd64")
    grep -qF "\"Sum\": \"$GO_SUM\"" <<<"$module" || { echo "Go is not what it was: $module" >&2 && return 1; }
    go=$into/modules/golang.org/toolchain@v0.0.1-go$GO_VERSION.linux-amd64/bin/go
    chmod -R u+x "${go%/*}" "${go%/*/*}/pkg/tool" # a module keeps no such bits
  fi
  ln -sfn "$go" "$into/go"
}

install_go() {
  local source=tests/clients/go
  newer_than build/go/clients "$source" && return 0
  find_go
  quietly "building the client in Go" env GOFLAGS=-mod=readonly \
    build/go/go build -C "$source" -o "$PWD/build/go/clients" .
}

# A peer of tools/bench.
install_collector() {
  local source=bench/collector
  newer_than build/go/collector "$source" && return 0
  find_go
  quietly "building the OpenTelemetry Collector" env GOFLAGS=-mod=readonly \
    build/go/go build -C "$source" -o "$PWD/build/go/collector" .
}

install_rust() {
  local source=tests/clients/rust
  newer_than build/rust/debug/clients "$source/Cargo.toml" "$source/Cargo.lock" "$source/src"/* && return 0
  # Debian 12's other Rust, of the browsers' builds: its usual one is too old.
  command -v cargo >/dev/null || install_packages cargo-web rustc-web
  quietly "building the client in Rust" cargo build --locked --manifest-path "$source/Cargo.toml" --target-dir build/rust
}

install_dynamodb() {
  local folder=tests/clients/dynamodb
  cmp -s "$folder/package-lock.json" "$folder/node_modules/installed-lock.json" && return 0
  quietly "installing DynamoDB's stand-in into $folder" npm ci --prefix "$folder" --omit=optional --ignore-scripts
  cp "$folder/package-lock.json" "$folder/node_modules/installed-lock.json"
}

# Those that the named clients need, or all.
install_clients_of() {
  local name clients=tests/clients
  [ $# -gt 0 ] || set -- go rust java flink kcl2 kcl3
  for name in "$@"; do
    case $name in
      flink) install_java flink "$clients/flink" "$clients/flink/FlinkTest.java" ;;
      go) install_go ;;
      rust) install_rust ;;
      java | kpl) install_java java "$clients/java" "$clients"/java/src/main/java/*.java ;;
      kcl2 | kcl3)
        install_dynamodb
        install_clients_of kpl
        install_java "$name" "$clients/kcl/v${name#kcl}" "$clients/kcl/KclTest.java" "$clients/kcl/v${name#kcl}/Tuning.java"
        ;;
    esac
  done
}
