#!/usr/bin/env bash
# Makes the virtual environment with everything `make demo` and `make test` need. Usage: scripts/setup.sh PYTHON VENV
#
# llama-cpp-python is compiled for this machine's processor: some five minutes on two cores, once.
set -euo pipefail
python=$1 venv=$2

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 1; }

command -v "$python" >/dev/null || fail "there is no $python here" "install Python 3.11 or newer, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old" "install Python 3.11 or newer, or set PYTHON=python3.12"
for tool in cc c++; do
  command -v "$tool" >/dev/null || fail "there is no $tool: llama.cpp is compiled here" \
    "install a C and C++ compiler (Debian: build-essential; macOS: xcode-select --install)"
done

say "1/3 virtual environment in $venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

say "2/3 llama.cpp, compiled for this machine (some minutes the first time)"
start=$SECONDS
"$venv/bin/python" -m pip install --progress-bar on "$(sed -n 's/^ *"\(llama-cpp-python[^"]*\)",/\1/p' pyproject.toml)" >"$venv/llama.log" 2>&1 &
build=$!
while kill -0 $build 2>/dev/null; do
  [ -t 2 ] && printf '\r    %d s ' $((SECONDS - start)) >&2
  sleep 1
done
[ -t 2 ] && printf '\r' >&2
wait $build || { tail -n 30 "$venv/llama.log" >&2; fail "llama-cpp-python did not build" "the whole log: $venv/llama.log"; }
say "    done in $((SECONDS - start)) s"

say "3/3 mellum-lsp and its other libraries"
"$venv/bin/python" -m pip install --quiet --editable '.[dev]'
