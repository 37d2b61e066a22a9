import { expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Bundle } from "../conformance/bundle.ts";
import { rounds } from "../helpers/emulated.ts";
import { isRoot, settled } from "../helpers/machine.ts";

const PATIENCE_MS = 10_000;
const ROUNDS = rounds(24);

/** A container with hooks is started by JavaScript, others are without. */
const hooks = { poststart: [{ path: "/bin/true" }], poststop: [{ path: "/bin/true" }] };

test.skipIf(!isRoot).each([[{}], [{ hooks }]])(
  "start, kill and delete at once %j: each comes to an end, and nothing is left",
  async (more: { readonly hooks?: object }) => {
    const before = await settled();
    using b = new Bundle(["sleep", "1000"], (s) => ({ ...s, ...more }));
    const spawn = (...words: string[]) => {
      return Bun.spawn(b.words(...words), { stdio: ["ignore", "ignore", "ignore"] });
    };
    for (let i = 0; i < ROUNDS; i++) {
      expect(b.create()).toMatchObject({ code: 0 });
      const all = [spawn("start", b.id), spawn("start", b.id)];
      await Bun.sleep((i % 8) + (more.hooks ? 8 : 0));
      const list = Bun.spawn(b.words("list"), { stdio: ["ignore", "ignore", "pipe"] });
      all.push(spawn("kill", b.id, "KILL"), spawn("delete", "--force", b.id));
      const late = Bun.sleep(PATIENCE_MS).then(() => "still there");
      try {
        for (const p of all) expect(await Promise.race([p.exited, late])).not.toBe("still there");
        expect(await new Response(list.stderr).text()).toBe("");
      } finally {
        for (const p of all) p.kill("SIGKILL");
      }
      b.call(["delete", "--force", b.id]);
      expect(existsSync(join(b.state, b.id))).toBe(false);
    }
    const { files: _, ...left } = await settled();
    expect(left).toEqual((({ files: __, ...rest }) => rest)(before));
  },
  120_000,
);

test.skipIf(!isRoot)("start does not wait for who is not there any more", () => {
  using b = new Bundle(["sleep", "1000"], (s) => ({ ...s, hooks }));
  expect(b.create()).toMatchObject({ code: 0 });
  // Nobody has this one open, as when the first process was killed a moment ago.
  const done = join(b.state, b.id, "done");
  rmSync(done);
  execFileSync("mkfifo", [done]);
  expect(b.start()).toMatchObject({ code: 0 });
  expect(b.state_().status).toBe("running");
});
