#!/bin/bash
# The first process of the virtual machine: mounts what an init would, runs the tests, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t tmpfs -o mode=755 tmpfs /run
ln -sfn /proc/self/fd /dev/fd
mkdir -p /dev/pts /dev/shm && mount -t devpts devpts /dev/pts && mount -t tmpfs tmpfs /dev/shm
# As systemd mounts it.
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
ip link set lo up 2>/dev/null || busybox ip link set lo up
policy=$(sed -n 's/.*caisson.selinux=\([^ ]*\).*/\1/p' /proc/cmdline)
[ -z "$policy" ] || { mount -t selinuxfs selinuxfs /sys/fs/selinux && cat "$policy" >/sys/fs/selinux/load; }
# A disk, and a device for RDMA, that limits are felt with.
export CAISSON_TEST_DISK=/dev/ram0
ip link set dummy0 up && rdma link add rxe0 type rxe netdev dummy0
cd "$1" || exit 1
echo "kernel $(uname -r), control groups: $(cat /sys/fs/cgroup/cgroup.controllers)"
# An overlay cannot be the upper layer of another: what is kept goes to memory.
export CAISSON_ROOT=/run/caisson-test
lanes=(test/container test/cgroups test/cli test/copy test/conformance test/oci test/attacks test/shim)
# An engine with its containers under v2 alone, where it is installed: the lane of the engines installs it.
export CAISSON_STORAGE=vfs CAISSON_ENGINES_ALONE=1
if command -v podman >/dev/null && command -v conmon >/dev/null; then lanes+=(./test/engines/podman.test.ts ./test/engines/rootless.test.ts); else echo "skipped: podman is not installed"; fi
# Networks last, in a namespace of their own.
networks() {
  local ok=0
  for file in ./test/network/*.netns.ts; do unshare --net --mount node_modules/.bin/bun test --timeout 240000 "$file" || ok=1; done
  return $ok
}
# All that it does is done twentyfold slower here: races are tried less often, and what nothing of the machine matters to is left out.
export CAISSON_TEST_EMULATED=1
# One directory or file by itself: npm run test:vm -- test/attacks
only=$(sed -n 's/.*caisson.only=\(test[^ ]*\).*/\1/p' /proc/cmdline)
[ -z "$only" ] || { lanes=("./$only"); networks() { :; }; }
all() { grep -q caisson.only=networks /proc/cmdline || node_modules/.bin/bun test --timeout 240000 "${lanes[@]}"; }
if all && networks; then echo "VM LANE: passed"; else echo "VM LANE: failed"; fi
sync
busybox poweroff -f
