import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Global } from "../../src/oci/context.ts";
import { type CreateOptions, prepareCreate } from "../../src/oci/create.ts";
import { encode } from "../../src/program/encode.ts";
import { executor } from "../../src/program/executor.ts";
import { inject } from "../../src/program/inject.ts";
import { link } from "../../src/program/link.ts";
import type { Program } from "../../src/program/types.ts";
import { Bundle, linux } from "../conformance/bundle.ts";
import { rounds, someOf } from "../helpers/emulated.ts";
import { isRoot, leftovers } from "../helpers/machine.ts";

/** No step ignores this one by name. */
const INJECTED = "EUCLEAN";
const caisson = join(import.meta.dir, "../../dist/caisson-oci");

const options = (b: Bundle, mode: CreateOptions["mode"]): CreateOptions => ({
  bundle: b.at,
  config: undefined,
  pidFile: join(b.at, "pid"),
  consoleSocket: undefined,
  preserve: 0,
  noPivot: false,
  noNewKeyring: false,
  mode,
  keep: false,
  subreaper: true,
});

/** Performs it as the command would, but as a child: what failed is in its log. */
function perform(program: Program, file: string, log: string): { code: number; said: string } {
  writeFileSync(log, "");
  writeFileSync(file, link(executor(), encode(program)), { mode: 0o700 });
  const p = spawnSync(file, [], {
    stdio: ["ignore", "ignore", "ignore"],
    env: {},
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  rmSync(file, { force: true });
  return { code: p.status ?? -1, said: readFileSync(log, "utf8") };
}

test.skipIf(!isRoot)(
  "each step of a run fails in turn, and nothing is left",
  async () => {
    const marks = { createRuntime: [{ path: "/bin/true" }], startContainer: [{ path: "/bin/true" }] };
    using b = new Bundle(["true"], (s) => ({
      ...(linux({
        resources: { memory: { limit: 64 << 20 }, pids: { limit: 20 } },
        maskedPaths: ["/proc/kcore"],
        readonlyPaths: ["/proc/sys"],
        sysctl: { "net.ipv4.ip_default_ttl": "70" },
        seccomp: { defaultAction: "SCMP_ACT_ALLOW" },
        namespaces: [...(s.linux?.namespaces ?? []), { type: "cgroup" }],
      })(s) as object),
      hooks: marks,
    }));
    mkdirSync(b.state, { recursive: true });
    const log = join(b.at, "log.json");
    const g: Global = {
      root: b.state,
      log: { path: log, format: "json", debug: false },
      ...{ systemd: false, rootless: "auto", criu: "criu" },
      ...{ self: [caisson], words: [] },
    };
    const make = () => prepareCreate(g, b.id, options(b, "attached"));
    const first = await make();
    expect(perform(first.program, first.file, log)).toEqual({ code: 0, said: "" });
    const before = leftovers();
    const steps = first.program.sections.flatMap((s, section) =>
      s.name === "undo" || s.name === "failed"
        ? []
        : s.steps.flatMap((x, step) =>
            x.op === "jump" || x.op === "exit" || ("ignore" in x && x.ignore === "all") ? [] : [{ section, step }],
          ),
    );
    expect(steps.length).toBeGreaterThan(250);
    let failed = 0;
    for (const { section, step } of someOf(steps)) {
      const { program, file } = await make();
      const { label } = program.sections[section]?.steps[step] ?? { label: "?" };
      const { code, said } = perform(inject(program, section, step, INJECTED), file, log);
      // What was not performed cannot fail; what fails when the command has ended is not the run's.
      if (said !== "") {
        expect({ label, code, said: said.includes(INJECTED) || said.includes("hook") }).toEqual({
          label,
          code: 1,
          said: true,
        });
        failed++;
      }
      expect({ label, left: existsSync(join(b.state, b.id)) && said !== "" }).toEqual({ label, left: false });
      if (existsSync(join(b.state, b.id))) b.call(["delete", "--force", b.id]);
      const { mounts, groups, files } = leftovers();
      expect({ label, mounts, groups, files }).toEqual({
        label,
        mounts: before.mounts,
        groups: before.groups,
        files: before.files,
      });
    }
    expect(failed).toBeGreaterThan(rounds(200));
    expect(leftovers().supervisors).toBe(before.supervisors);
  },
  300_000,
);

test.skipIf(!isRoot)(
  "kill -9 of create, start and run at any moment: delete --force cleans up",
  async () => {
    using b = new Bundle(["sleep", "1000"], linux({ resources: { memory: { limit: 64 << 20 } } }));
    const before = leftovers();
    const words = (command: string) => b.words(command, ...(command === "start" ? [] : ["--bundle", b.at]), b.id);
    for (const command of ["create", "run", "start"])
      for (let ms = 0; ms < 30; ms += 1.5) {
        if (command === "start") b.create();
        const p = Bun.spawn(words(command), { stdio: ["ignore", "ignore", "ignore"] });
        await Bun.sleep(ms);
        p.kill("SIGKILL");
        await p.exited;
        expect(b.call(["delete", "--force", b.id])).toMatchObject({ code: 0 });
        expect(existsSync(join(b.state, b.id))).toBe(false);
        expect(leftovers().groups).toEqual(before.groups);
      }
    for (let i = 0; i < 100 && leftovers().supervisors > before.supervisors; i++) await Bun.sleep(20);
    expect(leftovers()).toMatchObject({
      mounts: before.mounts,
      groups: before.groups,
      supervisors: before.supervisors,
    });
  },
  300_000,
);
