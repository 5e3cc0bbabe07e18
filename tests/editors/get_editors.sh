#!/usr/bin/env bash
# Provides the editors that the end-to-end tests drive: Neovim 0.12 or later, and Helix.
#
#   tests/editors/get_editors.sh [DIR]      (default: .cache/editors of the checkout)
#
# Afterwards DIR/nvim and DIR/hx run. What is recent enough on PATH is used as it is; otherwise, on Debian, the
# packages of the unstable suite are unpacked inside DIR, with the libraries they need: nothing is installed
# system-wide and root is not needed. Running it again does nothing. Exit status 0 means that DIR/nvim works;
# otherwise the last line on standard error says why not, and tests skip with that line.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$(realpath -m "${1:-$root/.cache/editors}")
minimum=0.12

fail() {
  echo "get_editors: $1 (hint: put Neovim $minimum or later on PATH)" >&2
  exit 1
}

recent_enough() { # is "$1" a Neovim of the minimum version?
  local version
  version=$("$1" --version 2>/dev/null | sed -n '1s/^NVIM v\([0-9.]*\).*/\1/p') || return 1
  [ -n "$version" ] && [ "$(printf '%s\n' "$minimum" "$version" | sort -V | head -n 1)" = "$minimum" ]
}

works() { "$1" --version >/dev/null 2>&1; }

wrapper() { # wrapper FILE PROGRAM [NAME=VALUE...]: a script that runs PROGRAM with this environment
  local file=$1 program=$2
  shift 2
  {
    echo '#!/bin/sh'
    [ $# -eq 0 ] || printf 'export %q\n' "$@"
    printf 'exec %q "$@"\n' "$program"
  } >"$file"
  chmod +x "$file"
}

link_installed() {
  local nvim hx
  nvim=$(command -v nvim || true) hx=$(command -v hx || command -v helix || true)
  if ! recent_enough "$dir/nvim" && [ -n "$nvim" ] && recent_enough "$nvim"; then wrapper "$dir/nvim" "$nvim"; fi
  if ! works "$dir/hx" && [ -n "$hx" ] && works "$hx"; then wrapper "$dir/hx" "$hx"; fi
}

unpack_from_unstable() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror tool
  for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null || fail "no Neovim $minimum on PATH, and $tool is missing to get one"
  done
  [ -r "$keyring" ] || fail "no Neovim $minimum on PATH, and this system has no Debian archive keyring"
  # The mirror that this machine already uses; the keyring checks what comes from it.
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -E '^(URIs:|deb )' | grep -v security | grep -oE '[a-z+]+://[^ ]+' | head -n 1 || true)
  [ -n "$mirror" ] || fail "no Debian mirror in the apt sources"

  mkdir -p "$dir"/{state/lists/partial,cache/archives/partial,debs,root}
  echo "deb [signed-by=$keyring] $mirror sid main" >"$dir/sources.list"
  # An empty package status: what this system has installed is too old to link against.
  : >"$dir/state/status"
  local options=(-q -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State=$dir/state" -o "Dir::State::status=$dir/state/status" -o "Dir::Cache=$dir/cache"
    -o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=20)
  apt-get "${options[@]}" update >/dev/null || fail "the Debian mirror could not be read"

  # All that the editors need, asked of the suite itself: library names change as it moves.
  local packages
  packages=$(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances neovim hx patchelf | grep -E '^[a-z0-9]')
  # shellcheck disable=SC2086
  (cd "$dir/debs" && apt-get "${options[@]}" download $packages >/dev/null) || fail "a package could not be downloaded"
  local deb
  for deb in "$dir"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done

  # The programs must start with their own C library, also when Neovim starts itself again.
  local libraries loader program
  libraries=$(dirname "$(find "$dir/root" -name libluajit-5.1.so.2 | head -n 1)")
  loader=$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1)
  [ -n "$loader" ] || fail "the unpacked packages hold no program loader"
  for program in usr/bin/nvim usr/lib/hx/hx; do
    "$loader" --library-path "$libraries" "$dir/root/usr/bin/patchelf" --set-interpreter "$loader" \
      --force-rpath --set-rpath "$libraries:$libraries/lua/5.1" "$dir/root/$program"
  done
  wrapper "$dir/nvim" "$dir/root/usr/bin/nvim" \
    "VIMRUNTIME=$dir/root/usr/share/nvim/runtime" "LUA_CPATH=$libraries/lua/5.1/?.so;;"
  wrapper "$dir/hx" "$dir/root/usr/lib/hx/hx" "HELIX_RUNTIME=$dir/root/usr/lib/hx/runtime"
  rm -rf "$dir"/{debs,cache,state}
}

mkdir -p "$dir"
exec 9>"$dir/.lock"
if command -v flock >/dev/null; then flock 9; fi
link_installed
recent_enough "$dir/nvim" || unpack_from_unstable
recent_enough "$dir/nvim" || fail "the Neovim that was unpacked does not run here"
"$dir/nvim" --version | head -n 1
if works "$dir/hx"; then "$dir/hx" --version; else echo "get_editors: Helix is not available" >&2; fi
