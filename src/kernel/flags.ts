/** Flags of the system calls that programs are made of. Source: the UAPI headers named at each group. */

/** linux/sched.h */
export const CLONE = {
  FS: 0x200,
  FILES: 0x400,
  PARENT: 0x8000,
  NEWTIME: 0x80,
  PIDFD: 0x1000,
  NEWNS: 0x20000,
  NEWCGROUP: 0x2000000,
  NEWUTS: 0x4000000,
  NEWIPC: 0x8000000,
  NEWUSER: 0x10000000,
  NEWPID: 0x20000000,
  NEWNET: 0x40000000,
  INTO_CGROUP: 0x200000000n,
} as const;

/** linux/fcntl.h, asm-generic/fcntl.h */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: process.arch === "arm64" ? 0o40000 : 0o200000,
  NOFOLLOW: process.arch === "arm64" ? 0o100000 : 0o400000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
} as const;
export const AT_FDCWD = -100;
/** What statfs(2) says of a procfs. linux/magic.h */
export const PROC_SUPER_MAGIC = 0x9fa0;
/** linux/limits.h */
export const PATH_MAX = 4096;
export const AT = { SYMLINK_NOFOLLOW: 0x100, EMPTY_PATH: 0x1000, RECURSIVE: 0x8000, REMOVEDIR: 0x200 } as const;
export const F = { DUPFD: 0, GETFL: 3, SETFL: 4, ADD_SEALS: 1033, GET_SEALS: 1034, DUPFD_CLOEXEC: 1030 } as const;
export const F_SEAL_ALL = 0xf;
export const F_SEAL_WRITE = 8;
export const LOCK = { SH: 1, EX: 2, NB: 4 } as const;
export const CLOSE_RANGE_CLOEXEC = 4;

/** linux/openat2.h */
export const RESOLVE = { NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;

/** linux/mount.h */
export const MS = {
  BIND: 0x1000,
  REC: 0x4000,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
} as const;
export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;
export const OPEN_TREE = { CLONE: 1, CLOEXEC: O.CLOEXEC } as const;
export const MOVE_MOUNT = { F_EMPTY_PATH: 4, T_EMPTY_PATH: 0x40 } as const;
export const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, SET_FD: 5, CMD_CREATE: 6 } as const;
export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const MOUNT_ATTR = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  ATIME: 0x70,
  RELATIME: 0,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  IDMAP: 0x100000,
  NOSYMFOLLOW: 0x200000,
} as const;

/** linux/prctl.h, linux/securebits.h */
export const PR = {
  SET_PDEATHSIG: 1,
  SET_DUMPABLE: 4,
  SET_KEEPCAPS: 8,
  SET_NAME: 15,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  SET_CHILD_SUBREAPER: 36,
  SET_NO_NEW_PRIVS: 38,
  CAP_AMBIENT: 47,
} as const;
export const PR_CAP_AMBIENT = { RAISE: 2, CLEAR_ALL: 4 } as const;

/** linux/seccomp.h */
export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_FILTER_FLAG = {
  TSYNC: 1,
  LOG: 2,
  SPEC_ALLOW: 4,
  NEW_LISTENER: 8,
  WAIT_KILLABLE_RECV: 32,
} as const;

/** Requests of a seccomp listener, and what it is answered with: linux/seccomp.h, seccomp_unotify(2). */
export const SECCOMP_IOCTL = { RECV: 0xc0502100, SEND: 0xc0182101, ID_VALID: 0x40082102, ADDFD: 0x40182103 } as const;
export const SECCOMP_CONTINUE = 1;
export const SECCOMP_ADDFD = { SETFD: 1, SEND: 2 } as const;

/** linux/stat.h, as mknod(2) takes them */
export const S_IF = { CHR: 0o020000, BLK: 0o060000, FIFO: 0o010000, REG: 0o100000 } as const;

/** linux/if.h, linux/sockios.h */
export const IFF_UP = 1;
export const SIOCSIFFLAGS = 0x8914;
export const SIOCGIFINDEX = 0x8933;

/** asm-generic/ioctls.h */
export const TTY = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TIOCSCTTY: 0x540e,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCSPTLCK: 0x40045431,
  TIOCGPTPEER: 0x5441,
} as const;

export const SEEK_SET = 0;
export const SEEK_END = 2;
export const KEYCTL_JOIN_SESSION_KEYRING = 1;
export const P_PID = 1;
export const P_PIDFD = 3;
export const WEXITED = 4;
export const SIG_SETMASK = 2;

/** makedev(3), as mknod(2) takes it */
export const makedev = (major: number, minor: number): number =>
  ((major & 0xfff) << 8) | (minor & 0xff) | ((minor & ~0xff) << 12);

/** recv(2) */
export const MSG = { TRUNC: 0x20, DONTWAIT: 0x40 } as const;
