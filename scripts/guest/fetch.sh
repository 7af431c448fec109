#!/usr/bin/env bash
# Fetches stock QEMU, UEFI, a stock arm64 kernel and busybox into a cache folder, once: guest/fetch.sh FOLDER
#
# apt does it, with lists and a state of its own: signatures are checked against Debian's keys, /etc/apt stays untouched, nothing is
# installed, and no root, mount or namespace is needed. The packages are unpacked beside each other; QEMU runs through its own ld.so.
set -euo pipefail

folder=${1:?usage: fetch.sh FOLDER}
keys=/usr/share/keyrings/debian-archive-keyring.gpg
need_mb=800

say() { printf 'guest: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

[[ -f $folder/complete ]] && exit 0
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
have_mb=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
((have_mb >= need_mb)) || fail "$folder has $have_mb MB free, $need_mb MB are needed (XDG_CACHE_HOME moves it)"
for tool in apt-get dpkg-deb python3; do
  command -v "$tool" >/dev/null || fail "$tool is missing"
done
[[ -f $keys ]] || fail "$keys is missing (Debian package debian-archive-keyring)"

# The mirror that this machine uses already, if it is Debian.
mirror=$({ grep -rhoE '^[^#]*https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null || true; } |
  grep -oE 'https?://[^ ]+' | head -n 1)
mirror=${mirror:-http://deb.debian.org/debian}

apt=$folder/apt
rm -rf "$apt" "$folder"/{qemu,guest,modules}
mkdir -p "$apt"/{lists/partial,cache/archives/partial,state,none} "$folder/guest"
: >"$apt/status"
for suite in trixie trixie-backports; do
  echo "deb [signed-by=$keys] $mirror $suite main"
done >"$apt/sources.list"
cat >"$apt/apt.conf" <<CONF
Dir::State "$apt/state";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/none";
Dir::Etc::preferencesparts "$apt/none";
Dir::Etc::preferences "$apt/none/preferences";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
export APT_CONFIG=$apt/apt.conf

quietly() { "$@" >"$apt/log" 2>&1 || { tail -n 5 "$apt/log" >&2; return 1; }; }

say "reading the package lists of trixie and trixie-backports"
quietly apt-get -q -o APT::Update::Error-Mode=any update || fail "the package lists cannot be read from $mirror: no network?"
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
