import { expect, test } from "bun:test";
import { type Identity, identityOf, isAlive, parseStat } from "../../src/host/identity.ts";

const until = async (what: () => boolean) => {
  for (let i = 0; i < 500 && !what(); i++) await Bun.sleep(10);
};

test("what is in a name does not count", () => {
  const numbers = Array.from({ length: 30 }, (_, i) => i + 5).join(" ");
  const p = parseStat(`42 (a) Z 1 (b) S 7 ${numbers}\n`);
  expect(p).toEqual({ pid: 42, state: "S", parent: 7, threads: 20, startedAt: "22" });
});

test("a process that ends is alive no more, nor is a zombie, nor another that began at another time", async () => {
  const p = Bun.spawn(["sh", "-c", "sleep 0.01 & exec sleep 100"]);
  const own = identityOf(p.pid) as Identity;
  expect(isAlive(own)).toBe(true);
  expect(isAlive({ ...own, startedAt: `${Number(own.startedAt) - 1}` })).toBe(false);
  p.kill("SIGKILL");
  await p.exited;
  expect(isAlive(own)).toBe(false);
});

test("a process of which only the first thread has ended is alive", async () => {
  const exit = process.arch === "arm64" ? 93 : 60;
  const p = Bun.spawn(["perl", "-Mthreads", "-e", `threads->create(sub { sleep 100 }); syscall(${exit}, 0)`]);
  await until(() => identityOf(p.pid)?.state === "Z");
  const now = identityOf(p.pid);
  expect(now).toMatchObject({ state: "Z", threads: 2 });
  expect(isAlive(now as Identity)).toBe(true);
  p.kill("SIGKILL");
  await p.exited;
  expect(isAlive(now as Identity)).toBe(false);
});
