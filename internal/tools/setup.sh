#!/usr/bin/env bash
# Installs what is missing for a purpose, and says nothing when nothing is.
#   setup.sh build      a C compiler, beside Go
#   setup.sh postgres   and PostgreSQL's server
#   setup.sh test       and a browser, fonts, an S3 server, and the npm and pip packages that contract tests run
# Debian packages are installed with apt-get by root or through sudo; anybody else is told the command.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

horde_sdk='@zeldafan0225/ai_horde@5.2.0' # the public TypeScript client
python_sdk='horde-sdk==0.18.0'                # the public Python client, which worker software is made of

have() { command -v "$1" >/dev/null 2>&1; }

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

missing=() # Debian packages
want() { missing+=("$@"); }

install_missing() {
  [ "${#missing[@]}" -gt 0 ] || return 0
  local as=()
  if ! have apt-get; then
    fail "please install what these Debian packages hold: ${missing[*]}"
  elif [ "$(id -u)" != 0 ]; then
    if have sudo && sudo -n true 2>/dev/null; then
      as=(sudo)
    else
      fail "please run: sudo apt-get install -y --no-install-recommends ${missing[*]}"
    fi
  fi
  printf 'setup: installing %s\n' "${missing[*]}"
  mkdir -p build
  local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >build/apt.log 2>&1; then
    tail -n 20 build/apt.log >&2
    fail "apt-get could not install ${missing[*]}"
  fi
  missing=()
}

need_go() {
  have go || fail "Go 1.26 or newer is needed: https://go.dev/doc/install"
  # An older Go fetches the one that go.mod names, unless it is too old to know how or told not to.
  go version >/dev/null 2>&1 || fail "this Go is too old and may not fetch a newer one; Go 1.26 is needed: https://go.dev/doc/install"
  have cc || have gcc || have clang || want gcc libc6-dev
}

need_postgres() {
  local dir
  for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/pgsql/bin; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && [ -x "$dir/createdb" ] && return 0
  done
  have initdb && have postgres && have createdb && return 0
  want postgresql
}

need_browser() {
  have chromium || have chromium-browser || have google-chrome || want chromium
  if ! have fc-list || ! fc-list 2>/dev/null | grep -qi emoji; then
    want fontconfig fonts-noto-color-emoji
  fi
  if ! have fc-list || ! fc-list 2>/dev/null | grep -qi dejavu; then
    want fonts-dejavu-core
  fi
}

need_npm() {
  have npm && have node || want nodejs npm
}

need_python() {
  # Debian keeps what makes a virtual environment apart.
  have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || want python3 python3-venv
}

npm_packages() {
  local stamp=build/npm/.installed
  [ "$(cat "$stamp" 2>/dev/null)" = "$horde_sdk" ] && return 0
  mkdir -p build/npm
  # In a folder of its own: the tree has no package.json.
  if ! npm install --prefix build/npm --no-package-lock --ignore-scripts --no-audit --no-fund "$horde_sdk" >build/npm.log 2>&1; then
    tail -n 20 build/npm.log >&2
    fail "npm could not install $horde_sdk"
  fi
  printf '%s' "$horde_sdk" >"$stamp"
}

pip_packages() {
  local stamp=build/pip/.installed there='import importlib.util, sys; sys.exit(importlib.util.find_spec("horde_sdk") is None)'
  # An environment does not outlive the Python it was made with.
  [ "$(cat "$stamp" 2>/dev/null)" = "$python_sdk" ] && build/pip/bin/python -I -c "$there" 2>/dev/null && return 0
  rm -rf build/pip
  mkdir -p build
  if ! { python3 -m venv build/pip &&
    build/pip/bin/python -m pip install --no-input --disable-pip-version-check --only-binary :all: "$python_sdk"; } >build/pip.log 2>&1; then
    tail -n 20 build/pip.log >&2
    fail "python3 ($(python3 --version 2>&1 || true)) and pip could not install $python_sdk, which needs Python 3.10 or newer"
  fi
  printf '%s' "$python_sdk" >"$stamp"
}

s3_server() {
  local mod=internal/tools/s3server/go.mod stamp=build/s3/.built
  [ -x build/s3/versitygw ] && cmp -s "$mod" "$stamp" && return 0
  printf 'setup: building the S3 server of the tests, which takes minutes once\n'
  mkdir -p build/s3
  if ! go build -modfile="$mod" -o build/s3/versitygw github.com/versity/versitygw/cmd/versitygw >build/s3.log 2>&1; then
    tail -n 20 build/s3.log >&2
    fail 'the S3 server of the tests could not be built'
  fi
  cp "$mod" "$stamp"
}

need_go
case "${1:-}" in
build) ;;
postgres) need_postgres ;;
test)
  need_postgres
  need_browser
  need_npm
  need_python
  ;;
*) fail "say what for: build, postgres or test" ;;
esac
install_missing
if [ "$1" = test ]; then
  npm_packages
  pip_packages
  s3_server
fi
