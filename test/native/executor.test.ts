import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { hostArch } from "../../src/kernel/arch.ts";
import { O } from "../../src/kernel/flags.ts";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { executor } from "../../src/program/executor.ts";
import { Launcher } from "../../src/program/launcher.ts";
import { link } from "../../src/program/link.ts";
import { timespec } from "../../src/program/poll.ts";
import { addressOf, buffer, high, low } from "../../src/program/values.ts";

/** A program that does no harm, whatever of it is changed: its one system call is getpid, by a number checked below. */
function harmless(): Uint8Array {
  const b = new ProgramBuilder(hostArch());
  const s = b.section("main");
  const later = b.section("later");
  s.get("ask for the pid", "getpid", []);
  s.skipIf(1, "==", 1, () => s.check("nothing"));
  later.check("nothing");
  return encode(b.build());
}

const DATA_LENGTH_AT = 40;
/** Elsewhere the same bytes are other steps, and a well-formed program may be any: this one word is left as it is. */
const STEPS_AT = 6;

test("what is busy is tried again for seconds, as memory that is freed takes them", async () => {
  const b = new ProgramBuilder(hostArch());
  const s = b.section("main");
  const late = b.section("late");
  const pipe = b.slot("a pipe");
  s.call("make a pipe", "pipe2", [addressOf(pipe), O.CLOEXEC | O.NONBLOCK]);
  s.spawn("start who writes", late);
  late.call("wait", "ppoll", [0, 0, timespec(1), 0, 0]);
  late.call("write", "write", [high(pipe), "!", 1]);
  late.exit(0);
  s.call("read", "read", [low(pipe), buffer("one byte", 1), 1], { retries: 255 });
  s.exit(7);
  const file = `/tmp/caisson-busy-${process.pid}`;
  try {
    writeFileSync(file, link(executor(), encode(b.build())), { mode: 0o755 });
    expect(await Bun.spawn([file]).exited).toBe(7);
  } finally {
    rmSync(file, { force: true });
  }
});

test("a program that is cut off is refused as malformed", async () => {
  const l = new Launcher();
  const program = harmless();
  for (let n = 0; n < program.length; n += 7)
    expect(
      await l.perform(program.slice(0, n)).then(
        () => "performed",
        (e: Error) => e.message,
      ),
    ).toContain("malformed");
  l.close();
});

/** Header and tables with any word changed: offsets, counts, section bounds, kinds, jump targets. */
test("a program with a changed header or section table never harms the executor", async () => {
  const l = new Launcher();
  const program = harmless();
  const tables = 48 + 2 * 16;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: tables / 4 - 1 }).filter((word) => word !== STEPS_AT),
      fc.integer({ min: 0, max: 0xffffffff }),
      async (word, value) => {
        const changed = program.slice();
        new DataView(changed.buffer).setUint32(4 * word, value, true);
        // A later, changed section would be its own program: only what may be performed is looked at here.
        await l.perform(changed).catch((e: Error) => expect(e.message).toContain("malformed"));
        expect(l.dead).toBe(false);
      },
    ),
    { numRuns: 300 },
  );
  expect((await l.perform(program))[4]).toBe(0);
  l.close();
});

test("addresses and slots outside of the program are refused", async () => {
  const l = new Launcher();
  const step = 48 + 2 * 16;
  for (const [offset, value] of [
    [step + 2, 4000], // the result's slot
    [step, 99], // an operation that there is not
    [DATA_LENGTH_AT, 0xffffff],
  ] as const) {
    const changed = harmless();
    new DataView(changed.buffer).setUint16(offset, value & 0xffff, true);
    if (value > 0xffff) new DataView(changed.buffer).setUint32(offset, value, true);
    expect(
      await l.perform(changed).then(
        () => "performed",
        () => "refused",
      ),
    ).toBe("refused");
  }
  l.close();
});

test("a section cannot start one before it, so no program goes on for ever", async () => {
  const l = new Launcher();
  const b = new ProgramBuilder(hostArch());
  const main = b.section("main");
  const child = b.section("child");
  child.spawn("go back", main);
  main.get("ask for the pid", "getpid", []);
  expect(
    await l.perform(encode(b.build())).then(
      () => "performed",
      () => "refused",
    ),
  ).toBe("refused");
  l.close();
});
