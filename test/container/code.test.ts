import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { vdsoOf } from "../../src/clock/vdso.ts";
import { asTracer } from "../../src/container/answers/code.ts";
import type { SyscallCall } from "../../src/seccomp/notify/call.ts";
import { isRoot } from "../helpers/machine.ts";

const callOf = (pid: number, isThere = true) =>
  ({ name: "brk", pid, isWaiting: async () => isThere }) as unknown as SyscallCall;

test.skipIf(!isRoot)("a worker writes into code as its tracer, and is none any more", async () => {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  const pid = child.pid as number;
  try {
    // It has its name before that code is there.
    while (readFileSync(`/proc/${pid}/comm`, "utf8") !== "sleep\n" || !vdsoOf(pid)) await Bun.sleep(5);
    const { base = 0n, size = 0 } = vdsoOf(pid) ?? {};
    const places = [base + 0x100n, base + BigInt(size - 16)];
    const code = Buffer.from("never performed");
    await asTracer(
      callOf(pid),
      places.map((place) => [place, code]),
    );
    const memory = openSync(`/proc/${pid}/mem`, "r");
    for (const place of places) {
      const found = Buffer.alloc(code.length);
      readSync(memory, found, 0, found.length, Number(place));
      expect(found).toEqual(code);
    }
    closeSync(memory);
    expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^TracerPid:\t0\n/m);
    await expect(asTracer(callOf(pid, false), [[base, code]])).rejects.toThrow("its caller is gone");
    await expect(asTracer(callOf(pid), [[0n, code]])).rejects.toThrow(`write code into ${pid}: EIO`);
  } finally {
    child.kill("SIGKILL");
  }
});
