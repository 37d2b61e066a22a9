#!/usr/bin/env bash
# The integration tests in a virtual machine with Debian's own kernel and control groups v2 alone.
# The host's root is its root, read-only over 9p under a tmpfs overlay.
set -euo pipefail
cd "$(dirname "$0")/../.."
repo=$PWD
bash scripts/setup.sh
bash scripts/packages.sh qemu-system-x86 busybox-static cpio criu iptables apparmor secilc
# shellcheck source=test/vm/machine.sh
. test/vm/machine.sh

kernel=$cache/kernel
if [ ! -e "$kernel/done" ]; then
  named() { apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-6/ { print $2; exit }'; }
  image=$(named)
  [ -n "$image" ] || { apt-get update -qq; image=$(named); }
  mkdir -p "$kernel"
  (cd "$kernel" && apt-get download -qq "$image")
  unpacked "$kernel"
  touch "$kernel/done"
fi
initramfs "$scratch/initramfs.gz" /bin/busybox "$kernel" loop vfat nls_cp437 nls_ascii fuse veth bridge nf_tables nft_chain_nat nft_nat nft_masq nft_ct nft_fib_inet \
  sch_tbf macvlan ipvlan unix_diag tcp_diag udp_diag netlink_diag af_packet_diag raw_diag nf_conntrack_netlink \
  ip_tables iptable_filter tun brd dummy crc32_generic rdma_rxe ib_uverbs <<END
if ! grep -q caisson.init=systemd /root/proc/cmdline; then exec switch_root /root /bin/bash $repo/test/vm/inside.sh $repo; fi
cat >/root/etc/systemd/system/caisson-test.service <<UNIT
[Unit]
DefaultDependencies=no
Wants=dbus.socket dbus.service
After=dbus.socket
[Service]
ExecStart=/bin/bash $repo/test/vm/systemd.sh $repo
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
UNIT
echo >/root/etc/machine-id
exec switch_root /root /lib/systemd/systemd --unit=caisson-test.service
END
mapfile -t root < <(share host /)
machine=(qemu-system-x86_64 -machine q35 -cpu max -kernel "$kernel/boot/vmlinuz-$(ls "$kernel/lib/modules")" -initrd "$scratch/initramfs.gz" "${root[@]}")
parameters="console=ttyS0 systemd.unified_cgroup_hierarchy=1"

# Once more with SELinux, which no kernel has beside AppArmor.
labels=test/oci/selinux.test.ts
selinux() {
  command -v secilc >/dev/null || { echo "skipped: SELinux: secilc is not installed"; return; }
  secilc -c 33 -f /dev/null -o "$scratch/selinux-policy" test/vm/selinux.cil
  boot "VM LANE" "$parameters lsm=capability,selinux caisson.selinux=$scratch/selinux-policy caisson.only=$labels"
}
case ${1:-} in
systemd) ;;
"$labels") selinux; exit 0 ;;
networks | test*) boot "VM LANE" "$parameters caisson.only=$1"; exit 0 ;;
*) boot "VM LANE" "$parameters"; selinux ;;
esac
# Where systemd is installed, the same machine with systemd as its first process.
if [ -x /lib/systemd/systemd ] && [ -x /usr/bin/dbus-daemon ]; then
  boot "SYSTEMD LANE" "$parameters caisson.init=systemd systemd.show_status=0 caisson.only=${2:-}"
else
  echo "skipped: SYSTEMD LANE: systemd and dbus are not installed"
fi
