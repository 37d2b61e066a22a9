#!/bin/bash
# A unit of the virtual machine that systemd has started: groups come from it, over D-Bus.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export CAISSON_ROOT=/run/caisson-test
mountpoint -q /dev/shm || { mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm; }
mountpoint -q /dev/pts || { mkdir -p /dev/pts && mount -t devpts devpts /dev/pts; }
cd "$1" || exit 1
echo "first process: $(cat /proc/1/comm), own group: $(cat /proc/self/cgroup)"
only=$(sed -n "s/.*caisson.only=\(test[^ ]*\).*/\1/p" /proc/cmdline)
for _ in $(seq 100); do [ -S /run/dbus/system_bus_socket ] && break; sleep 0.2; done
if node_modules/.bin/bun test --timeout 120000 ${only:-test/cgroups test/vm}; then echo "SYSTEMD LANE: passed"; else echo "SYSTEMD LANE: failed"; fi
sync
busybox poweroff -f
