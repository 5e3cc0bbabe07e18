# Functions to unpack programs of another Debian suite into a folder: nothing is installed, root is not needed.
# Sourced by get_editors.sh. They return 1 with the reason in `why`.

why=""

# The mirror that this machine already uses; Debian's keyring checks what comes from it.
debian_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    grep -E '^(URIs:|deb )' | grep -v security | grep -oE '[a-z+]+://[^ ]+' | head -n 1 || true
}

# debian_unpack FOLDER SUITE PACKAGE...: the packages with all that they need, into FOLDER.
debian_unpack() {
  local folder=$1 suite=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg mirror tool work packages deb
  shift 2
  for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null || { why="$tool is missing"; return 1; }
  done
  [ -r "$keyring" ] || { why="this system has no Debian archive keyring"; return 1; }
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || { why="no Debian mirror in the apt sources"; return 1; }

  work=$folder.work
  rm -rf "$work" "$folder"
  mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs,root}
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
  # An empty package status: what this system has installed is too old to link against.
  : >"$work/state/status"
  local options=(-q -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State=$work/state" -o "Dir::State::status=$work/state/status" -o "Dir::Cache=$work/cache"
    -o APT::Sandbox::User=root -o Acquire::Retries=2 -o Acquire::http::Timeout=20)
  apt-get "${options[@]}" update >/dev/null || { why="the Debian mirror could not be read"; return 1; }

  # All that the programs need, asked of the suite itself: library names change as it moves.
  packages=$(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances "$@" patchelf | grep -E '^[a-z0-9]' | sort -u)
  # shellcheck disable=SC2086
  (cd "$work/debs" && apt-get "${options[@]}" download $packages >/dev/null) ||
    { why="a package could not be downloaded"; return 1; }
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
  mv "$work/root" "$folder"
  rm -rf "$work"
}

# debian_program FOLDER PROGRAM: make PROGRAM start with the C library beside it, also when it starts itself.
debian_program() {
  local libraries loader
  libraries=$(debian_libraries "$1")
  loader=$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1)
  [ -n "$loader" ] || { why="the unpacked packages hold no program loader"; return 1; }
  "$loader" --library-path "$libraries" "$1/usr/bin/patchelf" --set-interpreter "$loader" \
    --force-rpath --set-rpath "$libraries:$libraries/lua/5.1" "$1/$2"
}

# debian_libraries FOLDER: where its shared libraries are.
debian_libraries() {
  dirname "$(find "$1/usr/lib" -mindepth 2 -maxdepth 2 -name 'libc.so.6' | head -n 1)"
}
