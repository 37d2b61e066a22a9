import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlGroup } from "../../src/cgroups/group.ts";
import { findContainer, sweep } from "../../src/container/state.ts";
import { places } from "../../src/host/places.ts";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot, settled } from "../helpers/machine.ts";

/** kill -9 of whoever starts a container, at moments from before its first step to its running: the next call cleans up. */
const LONG = ["sleep", "1000"];
const limits = ["--memory", "64M", "--pids-limit", "20"];

const STALE_MS = 1100;
/** In a slow machine fewer: that they do not matter is seen elsewhere. */
const MOMENTS = process.env["CAISSON_ENGINES_ALONE"] ? 5 : 16;

/** How long a start takes here, to spread the moments over it. */
async function startMs(start: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await start();
  return performance.now() - began;
}

async function killedAtEachMoment(ms: number, words: readonly string[], moments: number): Promise<void> {
  await sh("run", "--", "true");
  const before = await settled();
  for (let i = 0; i <= moments; i++) {
    const p = Bun.spawn([...words], { stdio: ["ignore", "ignore", "ignore"] });
    await Bun.sleep((ms * i) / moments);
    p.kill("SIGKILL");
    await p.exited;
    await settled();
    expect(await sh("run", "--", "true")).toMatchObject({ code: 0, err: "" });
    const looked = async () => ({ ...(await settled()), files: before.files });
    let left = await looked();
    // A name that was taken and not noted could be another's, about to be, for as long.
    if (left.state.length > before.state.length) {
      await Bun.sleep(STALE_MS);
      await sh("run", "--", "true");
      left = await looked();
    }
    expect({ moment: i, left }).toEqual({ moment: i, left: before });
  }
  // A file that was not performed could be another's, about to be, for a second.
  await Bun.sleep(STALE_MS);
  // Words that were not given before: what is kept of runs is performed without looking for such files.
  await sh("run", "--env", `AT=${Date.now()}`, "--", "true");
  expect(await settled()).toEqual(before);
}

test.skipIf(!isRoot)(
  "the command, in the foreground",
  async () => {
    const ms = await startMs(() => sh("run", ...limits, "--", "true"));
    await killedAtEachMoment(ms * 1.2, [caisson, "run", ...limits, "--", ...LONG], MOMENTS);
  },
  300_000,
);

test.skipIf(!isRoot)(
  "a program that uses the library",
  async () => {
    const at = mkdtempSync(join(tmpdir(), "caisson-killed-"));
    const library = join(import.meta.dir, "../../src/index.ts");
    const script = join(at, "script.ts");
    const text = (command: readonly string[]) =>
      `import { run } from ${JSON.stringify(library)};\nawait run(${JSON.stringify(command)}, { memory: "64M", pidsLimit: 20 });\n`;
    try {
      writeFileSync(script, text(["true"]));
      const words = [process.execPath, script];
      const ms = await startMs(() => Bun.spawn(words, { stdio: ["ignore", "ignore", "ignore"] }).exited);
      writeFileSync(script, text(LONG));
      await killedAtEachMoment(ms * 1.1, words, MOMENTS);
    } finally {
      rmSync(at, { recursive: true });
    }
  },
  300_000,
);

test.skipIf(!isRoot)(
  "who is still in a container's groups ends with it, and keeps nobody from the next one",
  async () => {
    await sh("run", "--", "true");
    const before = await settled();
    const name = `killed-${process.pid}`;
    expect((await sh("run", "-d", "--rm", "--name", name, ...limits, "--", ...LONG)).err).toBe("");
    const straggler = Bun.spawn(LONG, { stdio: ["ignore", "ignore", "ignore"] });
    await (await ControlGroup.open(name)).add(straggler.pid);
    process.kill(findContainer(name).started?.supervisor ?? 0, "SIGKILL");
    await Bun.sleep(200);
    expect(await sh("run", "--", "echo", "next")).toEqual({ code: 0, out: "next\n", err: "" });
    await straggler.exited;
    expect(straggler.signalCode).toBe("SIGKILL");
    expect(await settled()).toEqual(before);
  },
);

test.skipIf(!isRoot)(
  "a name that was taken for nothing is free again; one that is being taken is not touched",
  async () => {
    await sh("run", "--", "true");
    const [empty, noted, fresh, held, dotted] = ["empty", "noted", "fresh", "held", ".dotted"].map((n) =>
      join(places().state, `${n}-${process.pid}`),
    ) as [string, string, string, string, string];
    const long = Date.now() / 1000 - 5;
    for (const directory of [empty, noted, fresh, held, dotted]) mkdirSync(directory);
    for (const directory of [noted, held])
      for (const file of ["lock", "state.json"]) writeFileSync(join(directory, file), "");
    for (const directory of [empty, noted, held, dotted]) utimesSync(directory, long, long);
    const holder = Bun.spawn(["flock", "--no-fork", join(held, "lock"), "sleep", "60"], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await Bun.sleep(200);
    try {
      await sweep();
      expect([empty, noted, fresh, held].map((d) => existsSync(d))).toEqual([false, false, true, true]);
      // Notes of groups are in such a one.
      expect(existsSync(dotted)).toBe(true);
    } finally {
      holder.kill();
      await holder.exited;
      for (const directory of [empty, noted, fresh, held, dotted]) rmSync(directory, { recursive: true, force: true });
    }
  },
);
