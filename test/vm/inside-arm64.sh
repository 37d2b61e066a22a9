#!/bin/bash
# The first process of the virtual machine of arm64: builds what is of its architecture, runs the tests, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
ln -sfn /proc/self/fd /dev/fd
mkdir -p /dev/pts /dev/shm && mount -t devpts devpts /dev/pts && mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
ip link set lo up
cd "$1" || exit 1
echo "kernel $(uname -rm), control groups: $(cat /sys/fs/cgroup/cgroup.controllers)"
export CAISSON_ROOT=/run/caisson-test CAISSON_TEST_EMULATED=1
mount --bind /usr/bin/bun node_modules/bun/bin/bun.exe
rm -f dist/caisson dist/caisson-oci
bash scripts/build.sh
lanes=(test/cgroups test/container test/copy test/front/small-commands.test.ts test/oci/kept.test.ts test/native test/program test/seccomp test/conformance)
only=$(sed -n 's/.*caisson.only=\(test[^ ]*\).*/\1/p' /proc/cmdline)
[ -z "$only" ] || lanes=("./$only")
library() { [ -n "$only" ] || node --test --test-concurrency=1 test/container/library.node.mjs test/container/isolation.node.mjs test/cgroups/group.node.mjs; }
if bun test --timeout 240000 "${lanes[@]}" && library; then echo "ARM64 LANE: passed"; else echo "ARM64 LANE: failed"; fi
sync
busybox poweroff -f
