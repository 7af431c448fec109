#!/usr/bin/env bash
# Fetches the headers that Linux 7 shows to programs into a cache folder, once: uapi_headers.sh [FOLDER]
# Prints the folder to include from. They are unpacked, not installed.
set -euo pipefail

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice/headers}

say() { printf 'headers: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
source "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

mkdir -p "$folder" || fail "cannot make the folder $folder (XDG_CACHE_HOME moves it)"
folder=$(cd "$folder" && pwd)
exec {lock}>"$folder/lock"
flock "$lock"
if [[ ! -f $folder/complete ]]; then
  rm -rf "$folder/root"
  private_apt "$folder/apt" trixie-backports
  (cd "$folder/apt/cache/archives" && quietly apt-get -q -t trixie-backports download linux-libc-dev) ||
    fail "linux-libc-dev could not be fetched"
  mkdir "$folder/root"
  dpkg-deb -x "$folder"/apt/cache/archives/linux-libc-dev_*.deb "$folder/root"
  [[ -f $folder/root/usr/include/linux/iommufd.h ]] || fail "linux-libc-dev has no linux/iommufd.h"
  rm -rf "$folder/apt"
  touch "$folder/complete"
fi
echo "$folder/root/usr/include"
