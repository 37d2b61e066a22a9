/* The front of a compiled command: the executor, in the same file as a JavaScript engine, and first to run.
 *
 * It performs the program that is linked to it (src/front). What that does not bring to an end is for the engine: then
 * the dynamic loader is mapped and entered, as the kernel would have done had the file named it (ELF, "Program
 * Interpreter"; getauxval(3)). scripts/front.ts puts this code into the file and fills in `engine`.
 */
#define FRONT
#include "executor.c"

struct ehdr { u8 ident[16]; u16 type, machine; u32 version; u64 entry, phoff, shoff; u32 flags; u16 ehsize, phentsize, phnum, rest[3]; };
struct phdr { u32 type, flags; u64 offset, vaddr, paddr, filesz, memsz, align; };
enum { PT_LOAD = 1, MAX_PHDRS = 24, MAP_FIXED_PRIVATE = 0x12, AT_NULL = 0, AT_PHDR = 3, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7,
       AT_ENTRY = 9 };

/* The mark, the engine's entry point, its program headers as they were and how many, and the path of its loader. */
volatile u64 engine[16] __attribute__((section(".data"))) = { 0x466e6f7373696163, 0x31676e45746e6f72, 0 };
enum { LOADER = 5, STRINGS = 2 };

static u64 page = 4096; /* arm64 has kernels with larger ones */
static u64 down(u64 n) { return n & ~(page - 1); }
static u64 up(u64 n) { return down(n + page - 1); }

static s64 map(u64 at, u64 len, u32 flags, s64 kind, s64 fd, u64 offset) {
  s64 prot = (flags & 4 ? 1 : 0) | (flags & 2 ? 2 : 0) | (flags & 1 ? 4 : 0);
  return sys6(NR_mmap, at, len, prot, kind, fd, offset);
}

/* Maps the loader; returns where it is entered, and its base. 0 if it cannot be. */
static u64 map_loader(u64 *base) {
  struct ehdr e;
  struct phdr ph[MAX_PHDRS];
  s64 fd = sys4(NR_openat, -100, (s64)&engine[LOADER], 02000000, 0);
  u64 span = 0;
  if (fd < 0 || sys4(NR_pread64, fd, (s64)&e, sizeof e, 0) != sizeof e || e.phnum > MAX_PHDRS) return 0;
  if (sys4(NR_pread64, fd, (s64)ph, e.phnum * sizeof *ph, e.phoff) != (s64)(e.phnum * sizeof *ph)) return 0;
  for (int i = 0; i < e.phnum; i++)
    if (ph[i].type == PT_LOAD && up(ph[i].vaddr + ph[i].memsz) > span) span = up(ph[i].vaddr + ph[i].memsz);
  s64 at = map(0, span, 0, MAP_PRIVATE_ANON, -1, 0);
  if (at < 0) return 0;
  for (int i = 0; i < e.phnum; i++) {
    struct phdr *p = &ph[i];
    if (p->type != PT_LOAD) continue;
    u64 first = at + down(p->vaddr), end = at + p->vaddr + p->filesz, last = up(at + p->vaddr + p->memsz);
    if (map(first, end - first, p->flags, MAP_FIXED_PRIVATE, fd, down(p->offset)) < 0) return 0;
    if (p->memsz == p->filesz) continue;
    for (char *z = (char *)end; (u64)z < up(end); z++) *(volatile char *)z = 0;
    if (last > up(end) && map(up(end), last - up(end), p->flags, MAP_FIXED_PRIVATE | 0x20, -1, 0) < 0) return 0;
  }
  sys4(NR_close, fd, 0, 0, 0);
  *base = at;
  return at + e.entry;
}

__attribute__((used)) void begin(u64 *stack) {
  struct program p = { 0 };
  char *at = (char *)linked[2];
  u64 strings[STRINGS], told = 0; /* for the engine's environment: the program puts their addresses into its first slots */
  arguments = stack;
  heed_children();
  if (load(&p, at, ((struct header *)at)->size)) {
    run(&p, 0);
    for (u32 i = RESERVED_SLOTS; i < RESERVED_SLOTS + STRINGS && i < p.h->slots; i++)
      if (p.slots[i] > 0) strings[told++] = p.slots[i];
    let_go_slots(&p);
  }
  u64 base, entry, *v = stack + 1 + stack[0] + 1;
  while (*v) v++;
  u64 before = v - stack;
  for (u64 *a = v + 1; a[0] != AT_NULL; a += 2)
    if (a[0] == AT_PAGESZ) page = a[1];
  if (!(entry = map_loader(&base))) {
    static const char text[] = "caisson: the dynamic loader that this command needs cannot be mapped\n";
    sys4(NR_write, 2, (s64)text, sizeof text - 1, 0);
    exit_now(125);
  }
  for (v++; v[0] != AT_NULL; v += 2) {
    if (v[0] == AT_BASE) v[1] = base;
    if (v[0] == AT_ENTRY) v[1] = engine[2];
    if (v[0] == AT_PHDR) v[1] = engine[3]; /* the loader looks for its own name there */
    if (v[0] == AT_PHNUM) v[1] = engine[4];
  }
  if (!told) enter(entry, stack);
  /* The same below our own frames, which nobody returns to: arguments, environment and those strings, auxiliary vector. */
  u64 words = v + 2 - stack, __attribute__((aligned(16))) longer[words + told];
  copy(longer, stack, before * 8);
  copy(longer + before, strings, told * 8);
  copy(longer + before + told, stack + before, (words - before) * 8);
  enter(entry, longer);
}
