# Sourced by the scripts beside it: what the project needs from Debian 12, and how they speak.
# shellcheck shell=bash disable=SC2034  # the lists are used by those who source this

step() { printf '\n== %s\n' "$*"; }

BUILD_PACKAGES=(g++ cmake ninja-build ccache mold pkg-config libboost1.81-dev libnghttp2-dev
  libsimdjson-dev libspdlog-dev libfmt-dev libtomlplusplus-dev libcli11-dev libzstd-dev libssl-dev
  libgtest-dev libgmock-dev)
CLANG_PACKAGES=(clang-16 libclang-rt-16-dev llvm-16)
TEST_PACKAGES=(python3-boto3 curl)
LINT_PACKAGES=(clang-format-16 shellcheck)

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
      apt-get install -y -q --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "installing failed; the whole log: $log" >&2
    return 1
  fi
  rm -f "$log"
}
