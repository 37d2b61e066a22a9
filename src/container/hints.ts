import { ONLY_SEEN } from "../cgroups/files.ts";
import { readOr } from "../host/files.ts";

const GROUPS = /control group|memory\.|cpu\.|pids\./;
const NAMESPACES = /^(start the (container|supervisor)|make the \S+ namespace)/;
const OVER = "the container has ended";

/** What a person can do about a failed step, where that is known: the first that matches. */
const hints: readonly (readonly [step: RegExp, errno: string, hint: string])[] = [
  [/^execute /, "ENOENT", "command not found in the container"],
  [/^execute /, "EACCES", "the file is not executable, or on a file system that is mounted noexec"],
  [/^execute /, "ENOEXEC", "not a program for this machine, or a script without #! in its first line"],
  [/^(find the container's first process|enter the container's namespaces)/, "ESRCH", OVER],
  // fork(2) in a PID namespace whose first process has ended.
  [/^start the command as the supervisor's child/, "ENOMEM", OVER],
  [/^enter the control group/, "ENODEV", OVER],
  [/^open .*\/(tasks|cgroup\.procs)$/, "ENOENT", "the group is gone"],
  [/^(let the \w+ live on|say that the hooks are done)$/, "EPIPE", "it was killed meanwhile"],
  [/^enter the working directory/, "ENOENT", "no such directory in the container; --workdir sets another"],
  [/^enter the working directory/, "EACCES", "the user may not enter it; --workdir sets another"],
  [/^set cpuset\.(cpus|mems) /, "ERANGE", "this machine has fewer (cpuset(7))"],
  [/^set cpuset\.(cpus|mems) /, "EINVAL", "this machine has fewer that are online (cpuset(7))"],
  [/^set cpuset\.(cpus|mems) /, "EACCES", "the group above has fewer (cpuset(7))"],
  [
    /^take the name|^make the place of what/,
    "EEXIST",
    "a container of this name is there already; caisson rm removes it",
  ],
  [/^take the id/, "EEXIST", "container with given ID already exists"],
  [/^make the control group/, "EEXIST", "a control group of this name is there already"],
  [GROUPS, "EACCES", "control groups need root, or a delegated group"],
  [GROUPS, "EROFS", ONLY_SEEN],
  [NAMESPACES, "EPERM", "new namespaces need root, or user namespaces for everyone (caisson doctor)"],
  [NAMESPACES, "ENOSYS", "clone3(2) is refused here, as engines have it in containers without CAP_SYS_ADMIN"],
  [/^bring the loopback device up/, "EPERM", "it needs CAP_NET_ADMIN; --network host does without"],
  [
    /^write [ug]id_map/,
    "EPERM",
    "these ids may not be mapped by whoever lacks CAP_SETFCAP, or has them not (user_namespaces(7)), or what is on /proc is of another PID namespace",
  ],
  [/^enter the container's namespaces/, "EPERM", "it needs CAP_SYS_ADMIN, CAP_SYS_CHROOT and CAP_SYS_PTRACE"],
  [/^drop CAP_/, "EPERM", "it needs CAP_SETPCAP"],
  [/^set the additional groups|^become group/, "EPERM", "it needs CAP_SETGID"],
  [NAMESPACES, "ENOSPC", "a limit of /proc/sys/user/max_*_namespaces is reached"],
  [NAMESPACES, "EINVAL", "the kernel lacks one of the namespaces (caisson doctor)"],
  [
    /overlay/,
    "EINVAL",
    "this root cannot be a layer of an overlay, or is one of two already; --rootfs / takes it as it is",
  ],
  [
    /^(find|open the mount point) \/\S* in the container|^open the mount point/,
    "ELOOP",
    "proc and sysfs must be mounted on ordinary directory, not on a link",
  ],
  [/^open .* to bind on/, "ENOENT", "the source of this mount is gone"],
  [/^(mount|create the) proc/, "EPERM", "a procfs without masks must be visible to mount one in a user namespace"],
  [/sysctl/, "ENOENT", "this kernel, or this namespace, has no such sysctl"],
  [/sysctl/, "EACCES", "this sysctl is the host's, not a namespace's"],
  [/^limit the paths/, "ENOSYS", "the kernel was built without Landlock"],
  [/^limit the paths/, "EOPNOTSUPP", "Landlock is not enabled: it must be named by the boot parameter lsm="],
  [/^limit the paths: open/, "ENOENT", "no such path in the container"],
  [
    /^put the root at|^open \S*caisson\S*$/,
    "EACCES",
    "with other ids its root may not search the way there: CAISSON_ROOT must be below directories that are open to all",
  ],
  [
    /^separate the mounts/,
    "EINVAL",
    "the root directory is no mount point, as after chroot(1): mount --bind it on itself before that",
  ],
  [/^(take the name|write the state)/, "EROFS", "CAISSON_ROOT puts it elsewhere"],
  [/^(take the name|write the state)/, "ENOSPC", "CAISSON_ROOT puts it elsewhere"],
  [/^map the ids/, "EINVAL", "this file system shows no mapped ids"],
  [
    /^load the seccomp filter/,
    "EBUSY",
    "another listener is there: a container in a container cannot have one of its own",
  ],
  [/^make a ipvlan|^make a macvlan/, "EOPNOTSUPP", "the kernel was built without this kind of interface"],
  [/^make a macvlan|^make a ipvlan/, "EBUSY", "this interface is part of a bridge, or has the other kind on it"],
  [/^limit what \S+ (sends|receives)/, "ENOENT", "the kernel lacks the token bucket (CONFIG_NET_SCH_TBF)"],
  [
    /^set the rules of the network|^publish ports|^limit what/,
    "ENOENT",
    "the kernel lacks a part of nf_tables (caisson doctor)",
  ],
  [
    /^set the rules of the network|^publish ports/,
    "EOPNOTSUPP",
    "the kernel lacks a part of nf_tables (caisson doctor)",
  ],
  [/^make the bridge/, "EOPNOTSUPP", "the kernel was built without bridges, or its module is not loaded"],
  [/^enter the .* namespace/, "EINVAL", "this is no namespace of that kind, or one that cannot be entered from here"],
  [/^(be labelled|label) /, "EINVAL", "the security policy of this machine has no such label"],
  [/^be labelled exec /, "ENOENT", "AppArmor has no such profile loaded (apparmor_parser(8))"],
  [/^set RLIMIT_/, "EPERM", "a hard limit is raised by CAP_SYS_RESOURCE alone: by root of the host"],
  [/^set memory/, "EBUSY", "more memory is in use than the limit"],
];

const RESTRICTED =
  'AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns): this program needs a profile with "userns,"';

/** Ubuntu's since 23.10: a user may make a user namespace, and has no capability in it. */
export const restrictsUserNamespaces = (): boolean =>
  readOr("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")?.trim() === "1";
const isRestricted = (): boolean => process.geteuid?.() !== 0 && restrictsUserNamespaces();

export function hintFor(step: string, errno: string, restricted: () => boolean = isRestricted): string | undefined {
  const isOfCommand = /^(execute|enter the working directory)/.test(step);
  if (["EPERM", "EACCES"].includes(errno) && !isOfCommand && restricted()) return RESTRICTED;
  return hints.find(([pattern, e]) => e === errno && pattern.test(step))?.[2];
}
