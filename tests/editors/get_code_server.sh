#!/usr/bin/env bash
# Provides VS Code for the end-to-end test of the extension: code-server, on a Node.js of its own.
#
#   tests/editors/get_code_server.sh [DIR]     (default: .cache/editors/vscode; 800 MB, a minute or more)
#
# Afterwards DIR/code-server runs; `make test-vscode` drives it in a headless Chromium. The system must have npm, a
# C++ compiler, Chromium, ripgrep and the headers of Kerberos (Debian: chromium ripgrep libkrb5-dev). Running it
# again does nothing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$(realpath -m "${1:-$root/.cache/editors/vscode}")
code_server=4.139.1
node=24 # what this code-server needs

fail() {
  echo "get_code_server: $1" >&2
  exit 1
}

if [ -x "$dir/code-server" ] && "$dir/code-server" --version; then exit 0; fi

for tool in npm rg c++ python3; do
  command -v "$tool" >/dev/null || fail "$tool is missing (hint: on Debian, apt-get install npm ripgrep g++ python3)"
done
case $(uname -sm) in
"Linux x86_64") platform=linux-x64 ;;
"Linux aarch64") platform=linux-arm64 ;;
*) fail "only Linux on x86_64 and aarch64 is prepared" ;;
esac

mkdir -p "$dir"
cd "$dir"
[ -f package.json ] || echo '{ "private": true }' >package.json
npm install --no-audit --no-fund --ignore-scripts "node-$platform@$node" "code-server@$code_server" >/dev/null
export PATH="$dir/node_modules/node-$platform/bin:$PATH"

package=$dir/node_modules/code-server
(
  cd "$package/lib/vscode"
  npm install --no-audit --no-fund --omit=dev --ignore-scripts >/dev/null
  npm rebuild argon2 node-pty @vscode/spdlog @vscode/native-watchdog kerberos @parcel/watcher \
    @vscode/deviceid @vscode/fs-copyfile >/dev/null
  ln -sfn node_modules node_modules.asar
  mkdir -p node_modules/@vscode/ripgrep/bin
  ln -sf "$(command -v rg)" node_modules/@vscode/ripgrep/bin/rg
)
(cd "$package" && npm rebuild argon2 >/dev/null)

printf '#!/bin/sh\nexec %q %q "$@"\n' "$dir/node_modules/node-$platform/bin/node" "$package/out/node/entry.js" \
  >"$dir/code-server"
chmod +x "$dir/code-server"
"$dir/code-server" --version
