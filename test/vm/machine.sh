# What the virtual machines of all lanes have in common. Sourced; expects `repo`.
# No /dev/kvm is needed: it is software emulation.
cache=${CAISSON_VM_CACHE:-/var/cache/caisson-vm}
mkdir -p "$cache"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# modules KERNEL NAME…: their files, in the order of their dependencies.
modules() {
  local kernel=$1 version
  version=$(ls "$kernel/lib/modules")
  shift
  for m in "$@"; do
    modprobe -d "$kernel" -S "$version" --show-depends "$m" 2>/dev/null | awk '$1 == "insmod" { print $2 }'
  done | awk '!seen[$0]++'
}

# unpacked KERNEL: the package of a kernel, made ready for modprobe.
unpacked() {
  dpkg -x "$1"/linux-image-*.deb "$1"
  command -v depmod >/dev/null || apt-get install -y -qq kmod >/dev/null
  depmod -b "$1" "$(ls "$1/lib/modules")"
}

# initramfs OUT BUSYBOX KERNEL MODULE…: what mounts the root over 9p under a tmpfs overlay. Standard input is how it goes on.
initramfs() {
  local out=$1 busybox=$2 kernel=$3 tree=$scratch/initramfs i=100 file
  shift 3
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,proc,sys,dev,lower,upper,root,modules}
  cp "$busybox" "$tree/bin/busybox"
  for file in $(modules "$kernel" virtio_pci 9pnet_virtio 9p overlay "$@"); do
    cp "$file" "$tree/modules/$i-$(basename "$file")"
    i=$((i + 1))
  done
  {
    cat <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
for m in /modules/*; do
  case $m in *-brd.ko) parameters="rd_nr=1 rd_size=65536" ;; *) parameters= ;; esac
  insmod $m $parameters || echo "insmod $m failed"
done
share() { mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro "$@"; }
share host /lower
mount -t tmpfs -o mode=755 tmpfs /upper; mkdir /upper/diff /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/diff,workdir=/upper/work overlay /root
for d in proc sys dev; do mount --move /$d /root/$d; done
INIT
    cat
  } >"$tree/init"
  chmod +x "$tree/init"
  (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$out"
}

# share TAG PATH: the words for a read-only directory of the host's.
share() {
  printf -- '-fsdev\nlocal,id=%s,path=%s,security_model=none,readonly=on,multidevs=remap\n-device\nvirtio-9p-pci,fsdev=%s,mount_tag=%s\n' "$1" "$2" "$1" "$1"
}

# Under software emulation a kernel of two processors hangs now and then, both waiting for each other: it says so, again and again.
HUNG=5
hung() { [ "$(grep -ac 'BUG: soft lockup' "$1")" -ge $HUNG ]; }

# emulate LOG PARAMETERS: a machine as `machine` has it, with these parameters of the kernel, until it is off or hangs.
emulate() {
  local log=$1 pid
  : >"$log"
  timeout "${CAISSON_VM_TIMEOUT:-3600}" "${machine[@]}" -smp 2 -m 3072 -nographic -no-reboot -pidfile "$log.pid" \
    -append "quiet panic=-1 $2" -nic none </dev/null 2>&1 | tr -d '\r' | tee "$log" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    hung "$log" && kill "$(cat "$log.pid")" 2>/dev/null
    sleep 1
  done
  wait "$pid" || true
  rm -f "$log.pid"
}

# boot LANE PARAMETERS: a machine that prints "LANE: passed" at its end.
boot() {
  local lane=$1 log=$scratch/log
  emulate "$log" "$2"
  if hung "$log"; then
    echo "the kernel of the emulated machine hung: once more"
    emulate "$log" "$2"
  fi
  grep -q "^$lane: passed$" "$log" || { echo "the tests in the virtual machine did not pass: $lane" >&2; exit 1; }
}
