#!/usr/bin/env bash
# Fetches stock QEMU, UEFI, a stock arm64 kernel and busybox into a cache folder, once: guest/fetch.sh FOLDER
#
# The packages are unpacked beside each other; QEMU runs through its own ld.so.
set -euo pipefail

folder=${1:?usage: fetch.sh FOLDER}
need_mb=800

say() { printf 'guest: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
source "$(dirname "${BASH_SOURCE[0]}")/../apt.sh"

[[ -f $folder/complete ]] && exit 0
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
have_mb=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
((have_mb >= need_mb)) || fail "$folder has $have_mb MB free, $need_mb MB are needed (XDG_CACHE_HOME moves it)"
rm -rf "$folder"/{qemu,guest,modules}
mkdir "$folder/guest"
private_apt "$folder/apt" trixie trixie-backports
kernel=$(apt-cache search --names-only '^linux-binary-[0-9.]+\+deb[0-9]+-arm64$' | awk '{ print $1 }' | sort -V | tail -n 1)
[[ -n $kernel ]] || fail "trixie-backports has no linux-binary package for arm64"
release=${kernel#linux-binary-}

say "fetching QEMU with the libraries that it needs"
quietly apt-get -qy --download-only -t trixie-backports install qemu-system-arm || fail "QEMU could not be fetched"
mkdir "$folder/qemu"
for deb in "$apt"/cache/archives/*.deb; do
  dpkg-deb -x "$deb" "$folder/qemu"
done

say "fetching Linux $release, UEFI and busybox"
(cd "$apt/cache/archives" &&
  quietly apt-get -q -t trixie-backports download "$kernel:arm64" "linux-modules-$release:arm64" busybox-static:arm64 qemu-efi-aarch64) ||
  fail "the guest's packages could not be fetched"
for name in "$kernel" "linux-modules-$release" busybox-static qemu-efi-aarch64; do
  dpkg-deb -x "$apt"/cache/archives/"${name}"_*.deb "$folder/guest"
done

mv "$folder/guest/usr/lib/modules/$release" "$folder/modules"
mv "$folder/modules/vmlinuz" "$folder/kernel"
mv "$folder/guest/usr/share/qemu-efi-aarch64/QEMU_EFI.fd" "$folder/efi"
mv "$folder/guest/usr/bin/busybox" "$folder/busybox"
rm -r "$folder/guest"
echo "$release" >"$folder/release"
rm -rf "$apt"
touch "$folder/complete"
say "done: $(du -sh "$folder" | cut -f 1) in $folder"
