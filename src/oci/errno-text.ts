import { errnoName } from "../kernel/errno.ts";

/** What the C library calls the errnos that engines look for in an error. strerror(3). */
const texts: Readonly<Record<string, string>> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ESRCH: "no such process",
  EINTR: "interrupted system call",
  EIO: "input/output error",
  E2BIG: "argument list too long",
  ENOEXEC: "exec format error",
  EBADF: "bad file descriptor",
  ECHILD: "no child processes",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "cannot allocate memory",
  EACCES: "permission denied",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  EXDEV: "invalid cross-device link",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  EPIPE: "broken pipe",
  EMFILE: "too many open files",
  ETXTBSY: "text file busy",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  ENOSYS: "function not implemented",
  EOPNOTSUPP: "operation not supported",
  ECONNREFUSED: "connection refused",
  ECANCELED: "operation canceled",
};

export const errnoText = (errno: number): string => texts[errnoName(errno)] ?? errnoName(errno);
