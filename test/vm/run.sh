#!/usr/bin/env bash
# The integration tests in a virtual machine with Debian's own kernel and control groups v2 alone.
# The host's root is its root, read-only over 9p under a tmpfs overlay. Software emulation: no /dev/kvm is needed.
set -euo pipefail
cd "$(dirname "$0")/../.."
repo=$PWD
bash scripts/setup.sh
cache=${CAISSON_VM_CACHE:-/var/cache/caisson-vm}

bash scripts/packages.sh qemu-system-x86 busybox-static cpio criu iptables
mkdir -p "$cache"
if [ ! -e "$cache/kernel/done" ]; then
  image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-6/ { print $2; exit }')
  [ -n "$image" ] || { apt-get update -qq; image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-6/ { print $2; exit }'); }
  (cd "$cache" && apt-get download -qq "$image" && dpkg -x "$image"_*.deb kernel)
  depmod -b "$cache/kernel" "$(ls "$cache/kernel/lib/modules")" 2>/dev/null || { apt-get install -y -qq kmod >/dev/null; depmod -b "$cache/kernel" "$(ls "$cache/kernel/lib/modules")"; }
  touch "$cache/kernel/done"
fi
version=$(ls "$cache/kernel/lib/modules")

initramfs=$(mktemp -d)
trap 'rm -rf "$initramfs"' EXIT
mkdir -p "$initramfs"/{bin,proc,sys,dev,lower,upper,root,modules}
cp /bin/busybox "$initramfs/bin/busybox"
order() { # modules in the order of their dependencies
  for m in "$@"; do modprobe -d "$cache/kernel" -S "$version" --show-depends "$m" 2>/dev/null | awk '$1 == "insmod" { print $2 }'; done | awk '!seen[$0]++'
}
i=100
for file in $(order virtio_pci 9pnet_virtio 9p overlay veth bridge nf_tables nft_chain_nat nft_nat nft_masq nft_ct nft_fib_inet \
  sch_tbf macvlan ipvlan unix_diag tcp_diag udp_diag netlink_diag af_packet_diag raw_diag nf_conntrack_netlink \
  ip_tables iptable_filter tun brd dummy crc32_generic rdma_rxe ib_uverbs); do
  cp "$file" "$initramfs/modules/$i-$(basename "$file")"
  i=$((i + 1))
done
cat >"$initramfs/init" <<EOF
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
for m in /modules/*; do
  case \$m in *-brd.ko) parameters="rd_nr=1 rd_size=65536" ;; *) parameters= ;; esac
  insmod \$m \$parameters || echo "insmod \$m failed"
done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro host /lower
mount -t tmpfs -o mode=755 tmpfs /upper; mkdir /upper/diff /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/diff,workdir=/upper/work overlay /root
for d in proc sys dev; do mount --move /\$d /root/\$d; done
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
EOF
chmod +x "$initramfs/init"
(cd "$initramfs" && find . | cpio -o -H newc --quiet | gzip -1) >"$cache/initramfs.gz"

# Under software emulation a kernel of two processors hangs now and then, both waiting for each other: it says so, again and again.
HUNG=5
hung() { [ "$(grep -ac 'BUG: soft lockup' "$1")" -ge $HUNG ]; }

# emulate LOG PARAMETERS…: a machine, until it is off or hangs.
emulate() {
  local log=$1 pid
  shift
  timeout "${CAISSON_VM_TIMEOUT:-1500}" qemu-system-x86_64 -machine q35 -cpu max -smp 2 -m 3072 -nographic -no-reboot -pidfile "$log.pid" \
    -kernel "$cache/kernel/boot/vmlinuz-$version" -initrd "$cache/initramfs.gz" \
    -append "console=ttyS0 quiet panic=-1 systemd.unified_cgroup_hierarchy=1 $*" \
    -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=host,mount_tag=host \
    -nic none </dev/null 2>&1 | tr -d '\r' | tee "$log" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    hung "$log" && kill "$(cat "$log.pid")" 2>/dev/null
    sleep 1
  done
  wait "$pid" || true
  rm -f "$log.pid"
}

# boot LANE PARAMETERS…: a machine that prints "LANE: passed" at its end.
boot() {
  local lane=$1 log
  shift
  log=$(mktemp)
  emulate "$log" "$@"
  if hung "$log"; then
    echo "the kernel of the emulated machine hung: once more"
    emulate "$log" "$@"
  fi
  grep -q "^$lane: passed$" "$log" || { rm -f "$log"; echo "the tests in the virtual machine did not pass: $lane" >&2; exit 1; }
  rm -f "$log"
}

[ "${1:-}" = systemd ] || boot "VM LANE" "caisson.only=${1:-}"
case ${1:-} in networks | test*) exit 0 ;; esac
# Where systemd is installed, the same machine with systemd as its first process.
if [ -x /lib/systemd/systemd ] && [ -x /usr/bin/dbus-daemon ]; then
  boot "SYSTEMD LANE" caisson.init=systemd systemd.show_status=0 "caisson.only=${2:-}"
else
  echo "skipped: SYSTEMD LANE: systemd and dbus are not installed"
fi
