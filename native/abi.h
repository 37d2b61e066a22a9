/* What the executor needs of the kernel's ABI, for each architecture: calls, numbers, structs, nothing else. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long u64;
typedef long s64;

enum { EINTR = 4, E2BIG = 7, EAGAIN = 11, EBUSY = 16, EPIPE = 32 };
enum { SIGINT = 2, SIGTRAP = 5, SIGKILL = 9, SIGTERM = 15, SIGCHLD = 17, SIGWINCH = 28 };
enum { POLLIN = 1, POLLOUT = 4, WNOHANG = 1, STOPPED = 0x7f, PTRACE_DETACH = 17, CLOCK_MONOTONIC = 1, TIOCGWINSZ = 0x5413, TIOCSWINSZ = 0x5414 };
enum { PROT_RW = 3, MAP_SHARED_ANON = 0x21, MAP_PRIVATE_ANON = 0x22 };
enum { NR_pidfd_send_signal = 424, NR_clone3 = 435 };

struct timespec { s64 sec, nsec; };
struct timeval { s64 sec, usec; };
struct rusage { struct timeval utime, stime; s64 maxrss, rest[13]; };
struct pollfd { s32 fd; short events, revents; };
struct signalfd_siginfo { u32 signo; u8 rest[124]; };

#if defined(__x86_64__)
enum { NR_read = 0, NR_write = 1, NR_close = 3, NR_rt_sigaction = 13, NR_pread64 = 17, NR_openat = 257, NR_mmap = 9, NR_munmap = 11, NR_ioctl = 16, NR_nanosleep = 35, NR_wait4 = 61,
       NR_ptrace = 101, NR_clock_gettime = 228, NR_exit_group = 231, NR_ppoll = 271 };
static inline s64 sys6(s64 nr, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f) {
  register s64 r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  s64 r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return r;
}
__asm__(".global _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
/* Goes to another program's entry, with the stack as the kernel made it. */
static inline void enter(u64 entry, u64 *stack) {
  __asm__ volatile("mov %0, %%rsp\n xor %%edx, %%edx\n xor %%ebp, %%ebp\n jmp *%1" : : "r"(stack), "a"(entry) : "memory");
  __builtin_unreachable();
}
#elif defined(__aarch64__)
enum { NR_ioctl = 29, NR_openat = 56, NR_close = 57, NR_pread64 = 67, NR_rt_sigaction = 134, NR_read = 63, NR_write = 64, NR_ppoll = 73, NR_exit_group = 94, NR_nanosleep = 101,
       NR_clock_gettime = 113, NR_ptrace = 117, NR_munmap = 215, NR_mmap = 222, NR_wait4 = 260 };
static inline s64 sys6(s64 nr, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f) {
  register s64 x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
               x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
__asm__(".global _start\n_start: mov x29, #0\n mov x0, sp\n bl begin\n");
static inline void enter(u64 entry, u64 *stack) {
  register u64 at __asm__("x16") = entry, sp __asm__("x17") = (u64)stack;
  __asm__ volatile("mov sp, %0\n mov x0, #0\n mov x29, #0\n mov x30, #0\n br %1" : : "r"(sp), "r"(at) : "memory");
  __builtin_unreachable();
}
#else
#error "the executor is written for x86-64 and arm64"
#endif

static inline s64 sys4(s64 nr, s64 a, s64 b, s64 c, s64 d) { return sys6(nr, a, b, c, d, 0, 0); }
static inline void exit_now(s64 code) __attribute__((noreturn));
static inline void exit_now(s64 code) {
  for (;;) sys4(NR_exit_group, code, 0, 0, 0);
}
static inline void copy(void *to, const void *from, u64 n) {
  volatile char *t = to; /* volatile: or the compiler makes this a call of memcpy, which isn't here */
  const volatile char *f = from;
  while (n--) *t++ = *f++;
}

/* gcc may call these for an initializer, freestanding or not. */
__attribute__((used)) void *memset(void *at, int byte, u64 n) {
  for (volatile char *t = at; n--;) *t++ = byte;
  return at;
}

/* The kernel loads a position-independent file where it likes; its first byte is the ELF header. */
extern const char image_base[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));
