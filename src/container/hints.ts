/** What a person can do about a failed step, where that is known: the first that matches. */
const hints: readonly (readonly [step: RegExp, errno: string, hint: string])[] = [
  [/^execute /, "ENOENT", "command not found in the container"],
  [/^execute /, "EACCES", "the file is not executable"],
  [/^execute /, "ENOEXEC", "not a program for this machine, or a script without #! in its first line"],
  [/^enter the working directory/, "ENOENT", "no such directory in the container; --workdir sets another"],
  [/^enter the working directory/, "EACCES", "the user may not enter it; --workdir sets another"],
  [/^take the name/, "EEXIST", "a container of this name is there already; caisson rm removes it"],
  [/^make the control group/, "EEXIST", "a control group of this name is there already"],
  [/control group|memory\.|cpu\.|pids\./, "EACCES", "control groups need root, or a delegated group"],
  [/^start the container/, "EPERM", "new namespaces need root, or user namespaces for everyone (caisson doctor)"],
  [/^start the container/, "ENOSPC", "a limit of /proc/sys/user/max_*_namespaces is reached"],
  [/^start the container/, "EINVAL", "the kernel lacks one of the namespaces (caisson doctor)"],
  [
    /overlay/,
    "EINVAL",
    "this root cannot be a layer of an overlay, or is one of two already; --rootfs / takes it as it is",
  ],
  [/^open .* to bind on/, "ENOENT", "the source of this mount is gone"],
  [/^(mount|create the) proc/, "EPERM", "a procfs without masks must be visible to mount one in a user namespace"],
  [/sysctl/, "ENOENT", "this kernel, or this namespace, has no such sysctl"],
  [/sysctl/, "EACCES", "this sysctl is the host's, not a namespace's"],
  [/^set memory/, "EBUSY", "more memory is in use than the limit"],
];

export const hintFor = (step: string, errno: string): string | undefined =>
  hints.find(([pattern, e]) => e === errno && pattern.test(step))?.[2];
