import type { Seccomp, SeccompRule } from "../compile/spec.ts";
import type { Arch } from "../kernel/arch.ts";
import { CLONE } from "../kernel/flags.ts";
import { prebuilt } from "./prebuilt.ts";

/**
 * The default profile: all that programs need, and nothing that reaches beyond a container. Its strength is that of
 * Docker's default profile (docs.docker.com/engine/security/seccomp), and it refuses TIOCSTI and TIOCLINUX besides.
 */
const always = `
  accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime
  clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64
  close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
  epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat
  faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat
  fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs
  fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat
  get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32
  getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
  getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid
  getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy
  io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioprio_get ioprio_set ipc kill
  landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen
  listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 madvise
  map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap
  mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
  mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
  name_to_handle_at nanosleep newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2
  pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease
  pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg
  recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir
  rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
  rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
  sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity
  sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
  semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address
  setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority setregid
  setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid
  setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signal signalfd signalfd4 sigpending
  sigprocmask sigreturn sigsuspend socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink
  symlinkat sync sync_file_range sync_file_range2 arm_sync_file_range syncfs sysinfo tee tgkill time timer_create
  timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
  timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask
  uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write
  writev arch_prctl modify_ldt breakpoint cacheflush set_tls process_madvise ptrace kcmp process_vm_readv
  process_vm_writev pidfd_getfd sigaction
`;

/** What a capability opens. */
const byCapability: readonly (readonly [capability: string, names: string])[] = [
  ["CAP_DAC_READ_SEARCH", "open_by_handle_at"],
  [
    "CAP_SYS_ADMIN",
    "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules mount mount_setattr move_mount open_tree open_tree_attr perf_event_open pivot_root quotactl quotactl_fd setdomainname sethostname setns umount umount2 unshare",
  ],
  ["CAP_SYS_BOOT", "reboot"],
  ["CAP_SYS_CHROOT", "chroot"],
  ["CAP_SYS_MODULE", "delete_module finit_module init_module"],
  ["CAP_SYS_PACCT", "acct"],
  ["CAP_SYS_RAWIO", "ioperm iopl"],
  ["CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"],
  ["CAP_SYS_TTY_CONFIG", "vhangup"],
  ["CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages"],
  ["CAP_SYSLOG", "syslog"],
  ["CAP_BPF", "bpf"],
  ["CAP_PERFMON", "perf_event_open"],
];

const words = (text: string) => text.trim().split(/\s+/);
const ENOSYS = 38;
/** The kernel's cryptography (AF_ALG), from which more than one way to root has led, and the hypervisor's sockets (AF_VSOCK). */
const REFUSED_FAMILIES = [38, 40];
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const LOW = 0xffffffff;

const NEW_NAMESPACES =
  CLONE.NEWNS | CLONE.NEWCGROUP | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWUSER | CLONE.NEWPID | CLONE.NEWNET;

/** personality(2): Linux, Linux with 32-bit addresses, both with fixed addresses, and the question. */
const personalities = [0, 8, 0x20000, 0x20008, 0xffffffff];

/** The profile that most containers have is assembled ahead of time (scripts/prebuild-filter.ts; a test compares). */
const prebuiltProfiles = new WeakMap<Seccomp, Arch>();
const defaultProfiles = new WeakSet<Seccomp>();
export const isDefaultProfile = (profile: Seccomp): boolean => defaultProfiles.has(profile);

export const prebuiltFilter = (profile: Seccomp): Uint8Array | undefined => {
  const arch = prebuiltProfiles.get(profile);
  return arch && Buffer.from(prebuilt[arch], "base64");
};

/**
 * The default profile for a process with these capabilities. Its rules are listed when they are asked for: with the
 * usual capabilities nobody does.
 */
export function defaultProfile(arch: Arch, capabilities: readonly string[]): Seccomp {
  const profile = {
    defaultAction: "SCMP_ACT_ERRNO",
    architectures: arch === "x86_64" ? ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"] : ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    get syscalls() {
      return rules(capabilities);
    },
  } as const;
  if (
    !byCapability.some(([c]) => c !== "CAP_SYS_CHROOT" && capabilities.includes(c)) &&
    capabilities.includes("CAP_SYS_CHROOT")
  )
    prebuiltProfiles.set(profile, arch);
  defaultProfiles.add(profile);
  return profile;
}

function rules(capabilities: readonly string[]): SeccompRule[] {
  const allow = (names: readonly string[], extra: Partial<SeccompRule> = {}): SeccompRule => ({
    names,
    action: "SCMP_ACT_ALLOW",
    ...extra,
  });
  const syscalls: SeccompRule[] = [allow(words(always))];
  for (const [capability, names] of byCapability)
    if (capabilities.includes(capability)) syscalls.push(allow(words(names)));
  if (!capabilities.includes("CAP_SYS_ADMIN")) {
    // clone3 has its flags in memory, where a filter can't see them: ENOSYS makes C libraries use clone.
    syscalls.push({ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS });
    syscalls.push(
      allow(["clone"], { args: [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] }),
    );
  }
  for (const value of personalities)
    syscalls.push(allow(["personality"], { args: [{ index: 0, value, op: "SCMP_CMP_EQ" }] }));
  // The kernel takes 32 bits of either argument, whatever the others are.
  const refuse = (name: string, index: number, value: number): SeccompRule => ({
    names: [name],
    action: "SCMP_ACT_ERRNO",
    args: [{ index, value: LOW, valueTwo: value, op: "SCMP_CMP_MASKED_EQ" }],
  });
  syscalls.push(...REFUSED_FAMILIES.map((family) => refuse("socket", 0, family)));
  syscalls.push(...[TIOCSTI, TIOCLINUX].map((request) => refuse("ioctl", 1, request)));
  syscalls.push(allow(["socket", "ioctl"]));
  return syscalls;
}
