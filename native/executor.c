/* The executor: performs a program, a list of system calls, step by step.
 *
 * No libc, no allocation, no policy. It knows no path, no mount flag and not what a container is: all that is in
 * the program, which src/program encodes (docs/program.md has the format). What is here is what needs to be C:
 * making a system call, being a new process, and waiting for several things at once.
 */
#include "abi.h"

enum { MAGIC = 0x4e535343, VERSION = 3, NONE = 0xffffffff, NO_SLOT = 0xffff, MAX_PROGRAM = 1 << 26, MAX_SLOTS = NO_SLOT };
enum op { SYSCALL, SPAWN, JUMP, FORMAT, STORE, CHECK, FAIL, SUPERVISE, SERVE, EXIT, LET, HASH, COPY, DATE, OPS };
enum kind { IMM, DATA, SLOT, SLOT_ADDR, SLOT_LO, SLOT_HI, ARGUMENT, ARGUMENTS, ENVIRONMENT, KINDS };
enum { SAME_TEXT = 5, OTHER_TEXT = 6, IN_ENVIRONMENT = 7, ONLY = 8 };
enum { IGNORE_ALL = 1 };
enum { FAILED_SECTION, FAILED_STEP, FAILED_ERRNO, RESERVED_SLOTS }; /* the slots a failure is written to */

struct header { u32 magic, version, size, sections, sections_at, steps, steps_at, relocs, relocs_at, data_at, data_len, slots; };
struct section { u32 first, count, on_fail, pad; };
struct reloc { u32 at, kind; };
struct step {
  u16 op, slot;
  u32 nr;
  u8 kinds[6], retries, flags;
  u16 ignore[4];
  u64 args[6];
};
struct program {
  struct header *h;
  struct section *sections;
  struct step *steps;
  char *data;
  s64 *slots; /* shared by all processes of the program: how a child tells its parent what failed */
};

/* TypeScript links a program into a copy of this file: it finds these bytes and puts the program's address behind. */
volatile u64 linked[3] __attribute__((section(".data"))) = { 0x6b6e694c6e6f7373, 0x3130657265486465, 0 };

/* What this process was executed with: argc, and then argv. */
static u64 *arguments;

static int run(struct program *p, u32 section);

/* Of a caller who ignores SIGCHLD we are so too: the kernel would reap what we wait for, and nobody would hear of it. */
static void heed_children(void) {
  static const u64 by_default[4];
  sys4(NR_rt_sigaction, SIGCHLD, (s64)by_default, 0, 8);
}
static int serve(int in, int out);

/* ---- checks: nothing of a program is performed before all of it was found well-formed ---- */

static int within(u64 at, u64 len, u64 size) { return at <= size && len <= size - at; }

static int check_step(const struct header *h, const struct section *sec, u32 self, u32 index, const struct step *s) {
  if (s->op >= OPS || (s->slot != NO_SLOT && s->slot >= h->slots)) return 0;
  for (int i = 0; i < 6; i++) {
    if (s->kinds[i] >= KINDS) return 0;
    if (s->kinds[i] == DATA && s->args[i] >= h->data_len) return 0;
    if (s->kinds[i] >= SLOT && s->kinds[i] < ARGUMENT && s->args[i] >= h->slots) return 0;
  }
  switch (s->op) {
  case SPAWN: /* only forward, so that a program always ends */
    return s->kinds[0] == DATA && s->kinds[1] == IMM && within(s->args[0], s->args[1], h->data_len) && s->nr > self &&
           s->nr < h->sections;
  case JUMP:
    return s->nr <= ONLY && s->kinds[2] == IMM && s->args[2] < sec->count - index;
  case FORMAT: /* 20 digits and a sign at most */
    return s->kinds[1] == DATA && within(s->args[1], 21, h->data_len);
  case DATE:
    return s->kinds[1] == DATA && within(s->args[1], 19, h->data_len);
  case COPY: /* and the NUL */
    return s->kinds[1] == DATA && s->kinds[2] == IMM && s->kinds[3] == IMM && s->args[2] < h->data_len &&
           within(s->args[1], s->args[2] + 1, h->data_len);
  case STORE:
    return s->kinds[1] == DATA && (s->nr == 4 || s->nr == 8) && within(s->args[1], s->nr, h->data_len);
  case SUPERVISE:
    return s->slot != NO_SLOT && s->slot + 6 <= (int)h->slots && s->kinds[4] == DATA && s->nr <= 4 &&
           s->args[4] % 4 == 0 && within(s->args[4], s->nr * 16, h->data_len);
  }
  return 1;
}

/* What is said of a program that was served; its slots follow. */
struct answer { u32 len, token, malformed, pad; };

static struct answer *answer_of(struct program *p) { return (struct answer *)p->slots - 1; }
static void let_go_slots(struct program *p) {
  sys4(NR_munmap, (s64)answer_of(p), sizeof(struct answer) + p->h->slots * 8, 0, 0);
}

static int load(struct program *p, char *base, u64 size) {
  struct header *h = (void *)base;
  if (size < sizeof *h || h->magic != MAGIC || h->version != VERSION || h->size != size) return 0;
  if (!within(h->sections_at, (u64)h->sections * sizeof(struct section), size) || h->sections_at % 8) return 0;
  if (!within(h->steps_at, (u64)h->steps * sizeof(struct step), size) || h->steps_at % 8) return 0;
  if (!within(h->relocs_at, (u64)h->relocs * sizeof(struct reloc), size) || h->relocs_at % 8) return 0;
  if (!within(h->data_at, h->data_len, size) || h->data_at % 8 || !h->data_len || !h->sections) return 0;
  if (h->slots < RESERVED_SLOTS || h->slots > MAX_SLOTS) return 0;
  /* The tables must not overlap the data, which the program may write. */
  if (h->data_at < h->sections_at + h->sections * sizeof(struct section) ||
      h->data_at < h->steps_at + (u64)h->steps * sizeof(struct step) ||
      h->data_at < h->relocs_at + h->relocs * sizeof(struct reloc) || h->data_at < sizeof *h)
    return 0;
  p->h = h;
  p->sections = (void *)(base + h->sections_at);
  p->steps = (void *)(base + h->steps_at);
  p->data = base + h->data_at;
  if (p->data[h->data_len - 1]) return 0; /* so that every string ends */
  for (u32 i = 0; i < h->sections; i++) {
    struct section *s = &p->sections[i];
    if (!within(s->first, s->count, h->steps)) return 0;
    if (s->on_fail != NONE && (s->on_fail <= i || s->on_fail >= h->sections)) return 0;
    for (u32 k = 0; k < s->count; k++)
      if (!check_step(h, s, i, k, &p->steps[s->first + k])) return 0;
  }
  struct reloc *r = (void *)(base + h->relocs_at);
  for (u32 i = 0; i < h->relocs; i++) {
    u64 v;
    if (!within(r[i].at, 8, h->data_len)) return 0;
    copy(&v, p->data + r[i].at, 8);
    if (r[i].kind == DATA ? v >= h->data_len : r[i].kind != SLOT_ADDR || v >= h->slots) return 0;
  }
  s64 room = sys6(NR_mmap, 0, sizeof(struct answer) + h->slots * 8, PROT_RW, MAP_SHARED_ANON, -1, 0);
  if (room < 0) return 0;
  p->slots = (s64 *)(room + sizeof(struct answer));
  for (u32 i = RESERVED_SLOTS; i < h->slots; i++) p->slots[i] = -1; /* undoing a step not reached is then EBADF */
  for (u32 i = 0; i < h->relocs; i++) {
    u64 v;
    copy(&v, p->data + r[i].at, 8);
    v = r[i].kind == DATA ? (u64)(p->data + v) : (u64)&p->slots[v];
    copy(p->data + r[i].at, &v, 8);
  }
  return 1;
}

/* ---- steps ---- */

/* The strings of the environment are behind the arguments, and a null pointer behind them. */
static u64 *environment(void) { return arguments + arguments[0] + 2; }

static s64 of_environment(u64 n) {
  u64 *e = environment();
  while (*e && n) e++, n--;
  return (s64)*e;
}

static s64 value(struct program *p, struct step *s, int i) {
  u64 a = s->args[i];
  switch (s->kinds[i]) {
  case DATA: return (s64)(p->data + a);
  case SLOT: return p->slots[a];
  case SLOT_ADDR: return (s64)&p->slots[a];
  case SLOT_LO: return (s32)p->slots[a];
  case SLOT_HI: return p->slots[a] >> 32;
  case ARGUMENT: return a < arguments[0] ? (s64)arguments[1 + a] : 0;
  case ARGUMENTS: return (s64)&arguments[1 + (a < arguments[0] ? a : arguments[0])];
  case ENVIRONMENT: return of_environment(a);
  default: return (s64)a;
  }
}

static void pause_ms(u64 ms) {
  struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
  sys4(NR_nanosleep, (s64)&t, 0, 0, 0);
}

static s64 perform(struct program *p, struct step *s) {
  s64 a[6], r;
  for (int i = 0; i < 6; i++) a[i] = value(p, s, i);
  for (u64 tries = 0;; tries++) {
    r = sys6(s->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    /* A control group is busy for a moment after its last task is gone; one with much memory to free, for longer. */
    if (tries >= s->retries || (r != -EBUSY && r != -EAGAIN && r != -EINTR)) return r;
    pause_ms(1 + tries * tries / 1024);
  }
}

static s64 spawn(struct program *p, struct step *s) {
  s64 pid = sys4(NR_clone3, value(p, s, 0), s->args[1], 0, 0);
  if (pid) return pid;
  exit_now(run(p, s->nr) ? 125 : 0);
}

static int same(const char *a, const char *b) {
  if (!a || !b) return 0;
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* How many bytes a text begins with that are among others. */
static u64 among(const char *text, const char *others) {
  for (u64 n = 0;; n++) {
    const char *c = others;
    while (*c && *c != text[n]) c++;
    if (!*c) return n;
  }
}

/* Whether a text has no other bytes than those of another. */
static int only(const char *a, const char *b) { return a && b && !a[among(a, b)]; }

/* Whether a string of the environment begins with this text. */
static int in_environment(const char *text) {
  for (u64 *e = environment(); text && *e; e++) {
    const char *a = text, *b = (const char *)*e;
    while (*a && *a == *b) a++, b++;
    if (!*a) return 1;
  }
  return 0;
}

/* FNV-1a of 32 bits, with the NUL: a name for what was compiled from these words, not a proof of it. Left out is what has
 * at least so many bytes in a row that are among others, or, where the text may have been cut, what it ends with. */
static u32 hash(u32 h, const char *text, const char *others, u64 least) {
  for (u64 n; text; text++) {
    if (others && (n = among(text, others)) && (n >= least || !text[n])) {
      text += n - 1;
      continue;
    }
    h = (h ^ (u8)*text) * 0x01000193;
    if (!*text) break;
  }
  return h;
}

/* The beginning of a text: `most` bytes, and none from the byte `until` on. */
static void beginning(char *to, const char *from, u64 most, u8 until) {
  for (; from && *from && (u8)*from != until && most; most--) *to++ = *from++;
  *to = 0;
}

static int jumps(u32 compare, s64 a, s64 b) {
  switch (compare) {
  case SAME_TEXT: return same((char *)a, (char *)b);
  case OTHER_TEXT: return !same((char *)a, (char *)b);
  case IN_ENVIRONMENT: return in_environment((char *)a);
  case ONLY: return only((char *)a, (char *)b);
  case 0: return a == b;
  case 1: return a != b;
  case 2: return a < b;
  case 3: return a > b;
  default: return (a & b) != 0;
  }
}

/* Decimal, left-aligned, up to the first byte that isn't a space or NUL: a hole in a template. */
static void format(char *to, s64 v) {
  char digits[20];
  int n = 0;
  u64 u = v < 0 ? -(u64)v : (u64)v;
  do digits[n++] = '0' + u % 10;
  while (u /= 10);
  if (v < 0) *to++ = '-';
  while (n) *to++ = digits[--n];
}

/* Seconds since 1970, in UTC, put into a template such as "0000-00-00T00:00:00". */
static void date(char *to, u64 seconds) {
  static const u8 days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
  u32 t = seconds, year = 1970, month = 0, day = t / 86400, leap, n;
  for (;; year++, day -= n) {
    leap = year % 4 == 0 && (year % 100 || year % 400 == 0);
    if (day < (n = 365 + leap)) break;
  }
  for (; day >= (n = days[month] + (month == 1 && leap)); month++) day -= n;
  u32 parts[] = { year, month + 1, day + 1, t / 3600 % 24, t / 60 % 60, t % 60 };
  for (int i = 0; i < 6; to += i++ ? 3 : 5)
    for (int width = i ? 2 : 4; width--; parts[i] /= 10) to[width] = '0' + parts[i] % 10;
}

/* ---- supervise: reap, pass signals on, move bytes, watch the clock ---- */

struct relay { s32 from, to, flags, state; };
enum { RELAY_WINDOW = 1, RELAY_EOF_CHAR = 2, RELAY_BRIEF = 4, RELAY_DONE = -1 };
enum { KILL_SIGNAL = 64, INSIST = 3, CHUNK = 4096 };
static char buffers[4][CHUNK];

/* Moves what is there; returns 0 at the end of the stream. state = bytes waiting in the buffer. */
static int move(struct relay *r, char *buffer, int readable, int writable) {
  if (r->state > 0 && writable) {
    s64 n = sys4(NR_write, r->to, (s64)buffer, r->state, 0);
    if (n == -EAGAIN || n == -EINTR) return 1;
    if (n < 0) return 0;
    for (s64 i = n; i < r->state; i++) buffer[i - n] = buffer[i];
    r->state -= n;
  } else if (r->state == 0 && readable) {
    s64 n = sys4(NR_read, r->from, (s64)buffer, CHUNK, 0);
    if (n == -EAGAIN || n == -EINTR) return 1;
    if (n <= 0 && (r->flags & RELAY_EOF_CHAR)) sys4(NR_write, r->to, (s64) "\4", 1, 0);
    if (n <= 0) return 0; /* a terminal whose last user is gone says EIO */
    r->state = n;
  }
  return 1;
}

static s64 now_ms(void) {
  struct timespec t;
  sys4(NR_clock_gettime, CLOCK_MONOTONIC, (s64)&t, 0, 0);
  return t.sec * 1000 + t.nsec / 1000000;
}

static int reap(s64 child, s64 *out) {
  struct rusage ru;
  int status, found = 0;
  for (;;) {
    s64 pid = sys4(NR_wait4, -1, (s64)&status, WNOHANG, (s64)&ru);
    if (pid <= 0) return found;
    if ((status & 0xff) == STOPPED) { /* no end: it made its parent its tracer (PTRACE_TRACEME), and goes on without one */
      int sig = status >> 8 & 0xff;
      sys4(NR_ptrace, PTRACE_DETACH, pid, 0, sig == SIGTRAP ? 0 : sig);
      continue;
    }
    if (pid != child) continue;
    found = 1;
    int sig = status & 0x7f;
    out[0] = sig ? 128 + sig : status >> 8 & 0xff;
    out[1] = status;
    out[3] = ru.utime.sec * 1000000 + ru.utime.usec;
    out[4] = ru.stime.sec * 1000000 + ru.stime.usec;
    out[5] = ru.maxrss;
  }
}

/* Of signals that are not heeded these end nobody: SIGCHLD, SIGCONT, SIGURG, SIGWINCH, and those that stop. SIGPIPE is the supervisor's own. */
enum { HARMLESS = 1 << 12 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 27 };

/* Whether a process neither blocks nor ignores nor catches a signal, by its status file. */
static int unheeded(s64 path, int sig) {
  char text[CHUNK];
  u64 heeded = HARMLESS;
  int masks = 0;
  s64 fd = sys4(NR_openat, 0, path, 0, 0), n = sys4(NR_read, fd, (s64)text, sizeof text, 0);
  sys4(NR_close, fd, 0, 0, 0);
  for (s64 i = 0; i + 25 <= n; i++) { /* "\nSigBlk:\t" and 16 digits, and the same for SigIgn and SigCgt */
    char *line = text + i;
    if (line[0] != '\n' || line[1] != 'S' || (line[4] != 'B' && line[4] != 'I' && line[4] != 'C') || line[7] != ':') continue;
    u64 mask = 0;
    for (int d = 9; d < 25; d++) mask = mask << 4 | (line[d] <= '9' ? line[d] - '0' : line[d] - 'a' + 10);
    heeded |= mask;
    masks++;
  }
  return masks == 3 && !(heeded >> (sig - 1) & 1);
}

static void supervise(struct program *p, struct step *s) {
  s64 child = value(p, s, 0), pidfd = value(p, s, 1), signals = value(p, s, 2), timeout = value(p, s, 3), *out = &p->slots[s->slot];
  s64 status = value(p, s, 5);
  struct relay *relays = (void *)(p->data + s->args[4]);
  int n = s->nr, insisted = 0, unheard = 0, ended = 0;
  s64 deadline = timeout < 0 ? -1 : now_ms() + timeout;
  out[2] = 0;
  /* SIGCHLD may have come before the signalfd was made. */
  ended = reap(child, out);
  while (!ended) {
    struct pollfd fds[9] = { { signals, POLLIN, 0 } };
    for (int i = 0; i < n; i++) {
      int live = relays[i].state != RELAY_DONE;
      fds[1 + 2 * i] = (struct pollfd){ live && relays[i].state == 0 ? relays[i].from : -1, POLLIN, 0 };
      fds[2 + 2 * i] = (struct pollfd){ live && relays[i].state > 0 ? relays[i].to : -1, POLLOUT, 0 };
    }
    struct timespec wait, *waitp = 0;
    if (deadline >= 0) {
      s64 left = deadline - now_ms();
      if (left <= 0) {
        out[2] = 1;
        sys4(NR_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
        deadline = -1;
      } else {
        wait = (struct timespec){ left / 1000, left % 1000 * 1000000 };
        waitp = &wait;
      }
    }
    if (sys6(NR_ppoll, (s64)fds, 1 + 2 * n, (s64)waitp, 0, 8, 0) <= 0) continue;
    for (int i = 0; i < n; i++)
      if (fds[1 + 2 * i].revents | fds[2 + 2 * i].revents)
        if (!move(&relays[i], buffers[i], fds[1 + 2 * i].revents, fds[2 + 2 * i].revents)) relays[i].state = RELAY_DONE;
    if (!fds[0].revents) continue;
    struct signalfd_siginfo info;
    if (sys4(NR_read, signals, (s64)&info, sizeof info, 0) != sizeof info) continue;
    int sig = info.signo;
    if (sig == SIGCHLD) {
      ended = reap(child, out);
    } else if (sig == SIGWINCH) {
      char window[8];
      for (int i = 0; i < n; i++)
        if ((relays[i].flags & RELAY_WINDOW) && !sys4(NR_ioctl, relays[i].from, TIOCGWINSZ, (s64)window, 0))
          sys4(NR_ioctl, relays[i].to, TIOCSWINSZ, (s64)window, 0);
    } else if (child < 0) { /* the first process of a container that was given no command */
      if (sig == SIGTERM || sig == SIGINT || sig == KILL_SIGNAL) {
        out[0] = 128 + sig;
        return;
      }
    } else {
      if (sig == SIGINT || sig == SIGTERM) insisted++;
      if (sig == KILL_SIGNAL || insisted >= INSIST) sig = SIGKILL;
      /* The kernel does not let the first process of a PID namespace be ended by what it does not heed. Whoever sends it means to. */
      else if (status && unheeded(status, sig)) unheard = sig, sig = SIGKILL;
      sys4(NR_pidfd_send_signal, pidfd, sig, 0, 0);
    }
  }
  if (unheard && (out[1] & 0x7f) == SIGKILL) out[0] = 128 + unheard, out[1] = unheard;
  /* What the command wrote last is still in the terminal. Who must not hold others up gets a second to take it. */
  for (int i = 0; i < n; i++) {
    struct timespec none = { 0, 0 }, second = { 1, 0 };
    if (relays[i].flags & (RELAY_WINDOW | RELAY_EOF_CHAR)) continue;
    while (relays[i].state != RELAY_DONE) {
      int full = relays[i].state > 0;
      struct pollfd next = { full ? relays[i].to : relays[i].from, full ? POLLOUT : POLLIN, 0 };
      if (sys6(NR_ppoll, (s64)&next, 1, (s64)(!full ? &none : relays[i].flags & RELAY_BRIEF ? &second : 0), 0, 8, 0) <= 0) break;
      if (!move(&relays[i], buffers[i], !full, full)) relays[i].state = RELAY_DONE;
    }
  }
}

/* ---- the loop ---- */

static int failed(struct program *p, u32 section, u32 step, s64 errno) {
  if (!p->slots[FAILED_ERRNO]) {
    p->slots[FAILED_SECTION] = section;
    p->slots[FAILED_STEP] = step;
    p->slots[FAILED_ERRNO] = errno;
  }
  if (p->sections[section].on_fail != NONE) run(p, p->sections[section].on_fail);
  return 1;
}

static int ignored(struct step *s, s64 errno) {
  if (s->flags & IGNORE_ALL) return 1;
  for (int i = 0; i < 4; i++)
    if (s->ignore[i] && s->ignore[i] == errno) return 1;
  return 0;
}

static int run(struct program *p, u32 section) {
  struct section *sec = &p->sections[section];
  for (u32 i = 0; i < sec->count; i++) {
    struct step *s = &p->steps[sec->first + i];
    s64 r = 0;
    switch (s->op) {
    case SYSCALL: r = perform(p, s); break;
    case SPAWN: r = spawn(p, s); break;
    case LET: r = value(p, s, 0) + value(p, s, 1); break;
    case HASH: r = hash(value(p, s, 0), (char *)value(p, s, 1), (char *)value(p, s, 2), s->args[3]); break;
    case JUMP:
      if (jumps(s->nr, value(p, s, 0), value(p, s, 1))) i += s->args[2];
      continue;
    case FORMAT: format(p->data + s->args[1], value(p, s, 0)); continue;
    case STORE: {
      s64 v = value(p, s, 0);
      copy(p->data + s->args[1], &v, s->nr);
      continue;
    }
    case DATE: date(p->data + s->args[1], value(p, s, 0)); continue;
    case COPY: beginning(p->data + s->args[1], (char *)value(p, s, 0), s->args[2], s->args[3]); continue;
    case CHECK: /* has a child failed? */
      if (p->slots[FAILED_ERRNO]) return failed(p, section, i, 0);
      continue;
    case FAIL: r = -(value(p, s, 0) + value(p, s, 1)); break;
    case SUPERVISE: supervise(p, s); continue;
    case SERVE: r = serve(value(p, s, 0), value(p, s, 1)); break;
    case EXIT: exit_now(value(p, s, 0));
    }
    if (s->slot != NO_SLOT) p->slots[s->slot] = r;
    if (r < 0 && r > -4096 && !ignored(s, -r)) return failed(p, section, i, -r);
  }
  return 0;
}

/* ---- serve: perform the programs that arrive, answer each with its slots ---- */

static s64 transfer(u32 nr, int fd, char *at, u64 len) {
  for (u64 done = 0; done < len;) {
    s64 n = sys4(nr, fd, (s64)at + done, len - done, 0);
    if (n == -EINTR) continue;
    if (n == -EAGAIN) { /* the JavaScript runtime may have made the socket non-blocking for both ends */
      struct pollfd f = { fd, nr == NR_read ? POLLIN : POLLOUT, 0 };
      sys6(NR_ppoll, (s64)&f, 1, 0, 0, 8, 0);
      continue;
    }
    if (n <= 0) return n < 0 ? n : -EPIPE;
    done += n;
  }
  return 0;
}

static int serve(int in, int out) {
  struct { u32 len, token; } ask;
  while (transfer(NR_read, in, (char *)&ask, sizeof ask) == 0) {
    struct program p = { 0 };
    struct answer malformed = { sizeof malformed, ask.token, 1, 0 };
    if (ask.len > MAX_PROGRAM) return -E2BIG;
    s64 base = sys6(NR_mmap, 0, ask.len + 1, PROT_RW, MAP_PRIVATE_ANON, -1, 0);
    if (base < 0) return base;
    if (transfer(NR_read, in, (char *)base, ask.len) < 0) return -EPIPE;
    int loaded = load(&p, (char *)base, ask.len);
    if (loaded) {
      run(&p, 0);
      *answer_of(&p) = (struct answer){ sizeof malformed + p.h->slots * 8, ask.token, 0, 0 };
    }
    struct answer *answer = loaded ? answer_of(&p) : &malformed;
    s64 sent = transfer(NR_write, out, (char *)answer, answer->len);
    if (loaded) let_go_slots(&p);
    sys4(NR_munmap, base, ask.len + 1, 0, 0);
    if (sent < 0) return -EPIPE;
  }
  return 0;
}

#ifndef FRONT
__attribute__((used)) void begin(u64 *stack) {
  arguments = stack;
  heed_children();
  if (!linked[2]) exit_now(serve(3, 3) ? 125 : 0);
  struct program p = { 0 };
  char *base = (char *)linked[2] + (u64)image_base;
  struct header *h = (void *)base;
  if (!load(&p, base, h->size)) {
    static const char text[] = "caisson: the program linked into this file is malformed\n";
    sys4(NR_write, 2, (s64)text, sizeof text - 1, 0);
    exit_now(125);
  }
  exit_now(run(&p, 0) ? 125 : 0);
}
#endif
