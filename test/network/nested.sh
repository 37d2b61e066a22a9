#!/bin/sh
# nested.sh CAISSON LEVELS: says its address, its ids and its limit, and does the same in a container, so many levels down.
busybox ip -o -4 addr show eth0 | busybox awk '{ print $4 }'
busybox awk '{ print $1, $3 }' /proc/self/uid_map
cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null | head -n 1
[ "$2" -gt 0 ] || exit 0
size=$(($2 * 10000))
# Overlays are two deep at most: the last one takes the root as it is.
root=""
[ "$2" -gt 1 ] || root="--rootfs /"
# State of its own: the files that are seen here are a view of the machine's.
CAISSON_ROOT=/tmp/nested-$2 exec "$1" run --cgroups delegate --uidmap "0:1000:$size" --gidmap "0:1000:$size" --network bridge --memory "$((50 * $2))M" \
  --cap-add ALL --security-opt seccomp=unconfined --security-opt no-new-privileges=false --security-opt systempaths=unconfined \
  $root --workdir / -- sh "$0" "$1" $(($2 - 1))
