/**
 * Functions that stand in for those of the vDSO, in x86-64 machine code: the system call itself, marked by a third
 * argument that the kernel does not look at, so that the filter lets it pass; then seconds are added to what it gave.
 */

const le32 = (n: number) => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >> 24) & 0xff];
const le64 = (n: bigint) =>
  Array.from({ length: 8 }, (_, i) => Number((BigInt.asUintN(64, n) >> BigInt(8 * i)) & 0xffn));

/** mov eax, nr; mov rdx, mark; syscall */
const marked = (nr: number, mark: bigint) => [0xb8, ...le32(nr), 0x48, 0xba, ...le64(mark), 0x0f, 0x05];
const movRax = (n: bigint) => [0x48, 0xb8, ...le64(n)];
const RET = 0xc3;
const XOR_EAX_RET = [0x31, 0xc0, RET];

/** clock_gettime(edi: clock, rsi: where): only the clocks of the time of day are moved. */
function clockGettime(mark: bigint, seconds: bigint): number[] {
  const add = [...movRax(seconds), 0x48, 0x01, 0x06, ...XOR_EAX_RET];
  return [
    ...marked(228, mark),
    // test eax, eax; jne out
    ...[0x85, 0xc0, 0x75, 0x09],
    // test edi, edi; je add; cmp edi, 5 (CLOCK_REALTIME_COARSE); je add
    ...[0x85, 0xff, 0x74, 0x06, 0x83, 0xff, 0x05, 0x74, 0x01],
    RET,
    ...add,
  ];
}

/** gettimeofday(rdi: where, rsi): the place may be none. */
const gettimeofday = (mark: bigint, seconds: bigint): number[] => [
  ...marked(96, mark),
  // test rdi, rdi; je out
  ...[0x48, 0x85, 0xff, 0x74, 0x0d],
  ...movRax(seconds),
  // add [rdi], rax
  ...[0x48, 0x01, 0x07],
  ...XOR_EAX_RET,
];

/** time(rdi: where), which gives the result as well. */
const time = (mark: bigint, seconds: bigint): number[] => [
  // push rdi; xor edi, edi: the kernel writes nothing.
  ...[0x57, 0x31, 0xff],
  ...marked(201, mark),
  ...[0x5f],
  // mov rdx, seconds; add rax, rdx; test rdi, rdi; je out; mov [rdi], rax
  ...[0x48, 0xba, ...le64(seconds), 0x48, 0x01, 0xd0, 0x48, 0x85, 0xff, 0x74, 0x03, 0x48, 0x89, 0x07],
  RET,
];

/** By the names that the vDSO has for them: each is there twice. */
export const replacements = (mark: bigint, seconds: bigint): ReadonlyMap<string, Uint8Array> =>
  new Map(
    (
      [
        ["clock_gettime", clockGettime(mark, seconds)],
        ["gettimeofday", gettimeofday(mark, seconds)],
        ["time", time(mark, seconds)],
      ] as const
    ).map(([name, code]) => [`__vdso_${name}`, Uint8Array.from(code)]),
  );
