#!/usr/bin/env bash
# Builds the peer of the latency benchmark: llama-server of the very llama.cpp that llama-cpp-python runs here.
#
#   tests/benchmarks/get_llama_server.sh [DIR] [PYTHON]      (default: .cache/llama-server, .venv/bin/python)
#
# The sources are those inside the source package of the installed version, built as that package builds them
# (Release, native instructions, shared libraries). Afterwards DIR/llama-server runs. Some ten minutes on two
# cores, once for each version; running it again does nothing. Nothing is built that needs the network.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$(realpath -m "${1:-$root/.cache/llama-server}")
python=$(command -v "${2:-$root/.venv/bin/python}")

fail() {
  echo "get_llama_server: $1 (hint: $2)" >&2
  exit 1
}

version=$("$python" -c 'from importlib.metadata import version; print(version("llama-cpp-python"))') ||
  fail "$python has no llama-cpp-python" "run make test once, or name the Python that has it"
if [ "$(cat "$dir/version" 2>/dev/null)" = "$version" ] && "$dir/llama-server" --version >/dev/null 2>&1; then
  echo "llama-server of llama-cpp-python $version is in $dir"
  exit 0
fi
command -v cmake >/dev/null || fail "there is no cmake" "install cmake"

rm -rf "$dir"
mkdir -p "$dir"
"$python" -m pip download --quiet --no-deps --no-binary llama-cpp-python --dest "$dir" "llama-cpp-python==$version" ||
  fail "the source package cannot be had" "it comes from the package index that pip is configured for"
mkdir "$dir/source"
tar --extract --gzip --file "$dir"/llama_cpp_python-*.tar.gz --directory "$dir/source" --strip-components=1
rm "$dir"/llama_cpp_python-*.tar.gz

log=$dir/build.log
echo "building llama-server of llama-cpp-python $version (the log: $log)"
cmake -S "$dir/source/vendor/llama.cpp" -B "$dir/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
  -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF \
  -DLLAMA_BUILD_EXAMPLES=OFF >"$log" 2>&1 &&
  cmake --build "$dir/build" --target llama-server --parallel "$(nproc)" >>"$log" 2>&1 ||
  { tail -n 20 "$log" >&2; fail "the build failed" "the whole log: $log"; }
ln -s build/bin/llama-server "$dir/llama-server"
rm -rf "$dir/source"
echo "$version" >"$dir/version"
"$dir/llama-server" --version 2>&1 | head -n 1
