#!/usr/bin/env bash
# as-crun-likes.sh COMMAND…: crun refuses hybrid control groups while the v2 hierarchy has a controller. Where that is
# hugetlb alone, it is given to a v1 hierarchy, in a mount namespace of the command's own, and given back.
set -uo pipefail
top=/sys/fs/cgroup
# What the kernel makes up has no size: it must be read.
has() { [ -d $top/unified ] && [ -n "$(cat $top/unified/cgroup.controllers)" ]; }
if [ "${AS_CRUN_LIKES:-}" != 1 ]; then
  has || exec "$@"
  AS_CRUN_LIKES=1 exec unshare -m --propagation private bash "$0" "$@"
fi
mkdir -p $top/hugetlb
echo -hugetlb >$top/unified/cgroup.subtree_control
mount -t cgroup -o hugetlb none $top/hugetlb || { rmdir $top/hugetlb; exit 1; }
"$@"
code=$?
umount $top/hugetlb
# An unmounted hierarchy with nothing in it goes at its next mount and unmount.
for _ in $(seq 20); do
  has && break
  mount -t cgroup -o hugetlb none $top/hugetlb && umount $top/hugetlb
  sleep 0.5
done
rmdir $top/hugetlb
exit $code
