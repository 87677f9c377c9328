# Sourced by the scripts beside it: what the project needs from Debian 12, and how they speak.
# shellcheck shell=bash disable=SC2034  # the lists are used by those who source this

step() { printf '\n== %s\n' "$*"; }

BUILD_PACKAGES=(g++ cmake ninja-build ccache mold pkg-config libboost1.81-dev libnghttp2-dev
  libsimdjson-dev libspdlog-dev libfmt-dev libtomlplusplus-dev libcli11-dev libzstd-dev libssl-dev
  zlib1g-dev libdeflate-dev libgtest-dev libgmock-dev)
CLANG_PACKAGES=(clang-16 libclang-rt-16-dev llvm-16)
TEST_PACKAGES=(python3-boto3 python3-venv awscli curl iproute2 openssl)
# Node of another make than Debian's will do; it brings its own npm.
command -v node >/dev/null || TEST_PACKAGES+=(nodejs)
command -v npm >/dev/null || TEST_PACKAGES+=(npm)
LINT_PACKAGES=(clang-format-16 shellcheck)

# Of apt-get's lines: what it fetches and sets up; on a terminal in one line, which changes.
show_apt_progress() {
  local before='  ' after=$'\n'
  if [ -t 1 ]; then before=$'\r\033[K  ' after=''; fi
  sed -nu -E 's/^Get:[0-9]+ .* ([^ ]+) [^ ]+ [^ ]+ \[.*\]$/fetching \1/p; s/^Setting up ([^ ]+).*/setting up \1/p' |
    while read -r line; do printf '%s%s%s' "$before" "$line" "$after"; done
  [ ! -t 1 ] || printf '\r\033[K'
}

# Installs those of the named packages that are missing; touches nothing, and needs no network, when
# none is.
install_packages() {
  local missing=() package log sudo=()
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  step "installing ${#missing[@]} Debian packages: ${missing[*]}"
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  log=$(mktemp)
  if ! { "${sudo[@]}" apt-get update -q &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -q --no-install-recommends "${missing[@]}"; } 2>&1 |
    tee "$log" | show_apt_progress; then
    tail -n 20 "$log" >&2
    echo "installing failed; the whole log: $log" >&2
    return 1
  fi
  rm -f "$log"
}

# What the tests run against beside Debian's clients: the newest boto3 in build/python, a botocore for
# its service model alone in build/model, the AWS SDK for Node beside its test. A copy of each list of
# versions, written last, says that all of it is there; then nothing is touched, and no network needed.
install_clients() {
  local log python=build/python model=build/model node=tests/clients/node
  log=$(mktemp)
  if ! cmp -s tests/clients/requirements.txt "$python/requirements.txt"; then
    step "installing boto3 into $python"
    rm -rf "$python"
    if ! { /usr/bin/python3 -m venv "$python" &&
      "$python/bin/pip" install --require-hashes -r tests/clients/requirements.txt; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      return 1
    fi
    cp tests/clients/requirements.txt "$python/requirements.txt"
  fi
  if ! cmp -s tests/model/requirements.txt "$model/requirements.txt"; then
    step "installing the service model into $model"
    rm -rf "$model"
    if ! "$python/bin/pip" install --no-deps --require-hashes --target "$model" \
      -r tests/model/requirements.txt >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      return 1
    fi
    cp tests/model/requirements.txt "$model/requirements.txt"
  fi
  if ! cmp -s "$node/package-lock.json" "$node/node_modules/installed-lock.json"; then
    step "installing the AWS SDK for Node into $node"
    if ! (cd "$node" && npm ci --ignore-scripts) >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      return 1
    fi
    cp "$node/package-lock.json" "$node/node_modules/installed-lock.json"
  fi
  rm -f "$log"
}
