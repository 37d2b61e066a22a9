import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle, linux, shell } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

/** A process that nobody reaps is over, too. */
const isOver = (pid: number) =>
  !existsSync(`/proc/${pid}`) || /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

test.skipIf(!isRoot)(
  "what a container leaves in the host's PID namespace is killed, until nothing is left to kill",
  async () => {
    const own = (["network", "ipc", "uts", "mount"] as const).map((type) => ({ type }));
    using b = new Bundle(shell("sleep 1000 & echo $! > /data/left"), linux({ namespaces: own }));
    expect(b.create().code).toBe(0);
    expect(b.start().code).toBe(0);
    await b.until("stopped");
    const left = Number(readFileSync(join(b.root, "data/left"), "utf8"));
    expect(isOver(left)).toBe(false);
    expect(b.call(["kill", b.id, "TERM"])).toMatchObject({ code: 1, err: expect.stringContaining("not running") });
    expect(isOver(left)).toBe(false);
    expect(b.call(["kill", b.id, "KILL"])).toMatchObject({ code: 0, err: "" });
    expect(isOver(left)).toBe(true);
    expect(b.call(["kill", b.id, "KILL"])).toMatchObject({ code: 1, err: expect.stringContaining("not running") });
  },
);
