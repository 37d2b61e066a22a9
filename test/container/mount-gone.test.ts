import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { claim } from "../../src/container/claim.ts";
import type { ContainerOptions } from "../../src/container/options.ts";
import { prepare } from "../../src/container/prepare.ts";
import { start } from "../../src/container/start.ts";
import { isRoot } from "../helpers/machine.ts";

const NOTHING = [{ kind: "null" }, { kind: "null" }, { kind: "null" }] as const;

test.skipIf(!isRoot)(
  "a mount that goes with its directory, as a container starts on a view of the machine, is not missed",
  async () => {
    const at = mkdtempSync("/var/tmp/caisson-gone-");
    const point = join(at, "merged");
    try {
      for (const options of [{}, { namespaces: { user: "auto" } }] as const satisfies readonly ContainerOptions[]) {
        mkdirSync(point);
        expect(spawnSync("mount", ["-t", "tmpfs", "none", point]).status).toBe(0);
        const p = await claim(await prepare(options, ["true"]));
        expect(p.facts.mounts.some((m) => m.point === point)).toBe(true);
        expect(spawnSync("umount", [point]).status).toBe(0);
        rmdirSync(point);
        expect((await (await start(p, NOTHING)).ended).exitCode).toBe(0);
      }
    } finally {
      spawnSync("umount", [point]);
      rmSync(at, { recursive: true });
    }
  },
);
