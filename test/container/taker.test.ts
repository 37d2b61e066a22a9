import { expect, test } from "bun:test";
import { type RunOptions, run } from "../../src/index.ts";
import { isRoot, zombies } from "../helpers/machine.ts";

test.skipIf(!isRoot)("who waits for a listener goes with a command that ended before it had one", async () => {
  const before = zombies();
  const ended = Array.from({ length: 20 }, async (_, i) => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), i);
    await run(["true"], { onSyscall: { mkdirat: () => "continue" }, signal: stop.signal }).catch(() => {});
  });
  await Promise.all(ended);
  const left = () => zombies().filter((pid) => !before.includes(pid));
  for (let i = 0; left().length && i < 100; i++) await Bun.sleep(50);
  expect(left()).toEqual([]);
});

test.skipIf(!isRoot)(
  "who watches for one container has no part in the streams of others: they end before it",
  async () => {
    const stop = new AbortController();
    const answered: RunOptions = { onSyscall: { mkdirat: () => "continue" }, signal: stop.signal };
    const shorts = Array.from({ length: 4 }, async () => {
      for (let i = 0; i < 60; i++) await run(["true"]);
    });
    const longs: Promise<unknown>[] = [];
    for (let i = 0; i < 30; i++) {
      longs.push(run(["sleep", "1000"], answered).catch(() => {}));
      await Bun.sleep(10);
    }
    await Promise.all(shorts);
    stop.abort();
    await Promise.all(longs);
  },
);
