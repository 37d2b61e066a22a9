import { expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { link } from "../../src/program/link.ts";
import { buffer, textBlock } from "../../src/program/values.ts";

const executor = join(import.meta.dir, "../../dist/native/executor-aarch64");
const emulator = Bun.which("qemu-aarch64-static") ?? Bun.which("qemu-aarch64");
const missing = !existsSync(executor) ? "no cross compiler made the executor" : !emulator ? "no qemu-user" : undefined;

test.skipIf(missing !== undefined)(
  `the arm64 executor performs a program${missing ? ` (skipped: ${missing})` : ""}`,
  async () => {
    const b = new ProgramBuilder("aarch64");
    const main = b.section("main");
    const failed = b.section("failed");
    main.onFail = failed;
    const text = textBlock("number:        \n", "a text with a hole");
    main.format(1234, text, 8);
    main.call("say it", "write", [1, text, text.bytes.length]);
    main.skipIf(1, "<", 2, () => main.exit(77)); // passed over
    main.call("read from nothing", "read", [99, buffer("byte", 1), 1]);
    failed.exit({ kind: "slot", slot: { slot: 2, name: "errno" } });
    const file = `/tmp/caisson-arm64-${process.pid}`;
    try {
      writeFileSync(file, link(new Uint8Array(readFileSync(executor)), encode(b.build())));
      chmodSync(file, 0o755);
      const p = Bun.spawn([emulator ?? "", file], { stdout: "pipe" });
      expect(await new Response(p.stdout).text()).toBe("number: 1234   \n");
      expect(await p.exited).toBe(9); // EBADF
    } finally {
      rmSync(file, { force: true });
    }
  },
);
