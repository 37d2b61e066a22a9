import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlGroup } from "../../src/cgroups/group.ts";
import { STARTED } from "../../src/compile/record.ts";
import { dataDirectory, findContainer, sweep } from "../../src/container/state.ts";
import { type Identity, identityOf, isAlive } from "../../src/host/identity.ts";
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
  "a first process that undid what would end it with its supervisor ends with the next call; whoever has its pid by then does not",
  async () => {
    await sh("run", "--", "true");
    const before = await settled();
    const [prctl, PR_SET_PDEATHSIG] = [process.arch === "arm64" ? 167 : 157, 1];
    const stubborn = [
      "perl",
      "-e",
      `$| = 1; syscall(${prctl}, ${PR_SET_PDEATHSIG}, 0, 0, 0, 0); print "deaf\n"; sleep 1000`,
    ];
    for (const words of [["--rm"], []]) {
      const name = `stubborn-${process.pid}`;
      expect((await sh("run", "-d", ...words, "--name", name, "--", ...stubborn)).err).toBe("");
      const { started, directory } = findContainer(name);
      const first = identityOf(started?.pid ?? 0) as Identity;
      // It says so once it has done it.
      while (readFileSync(join(dataDirectory(name), "log"), "utf8") === "") await Bun.sleep(10);
      process.kill(started?.supervisor ?? 0, "SIGKILL");
      while (findContainer(name).supervised) await Bun.sleep(10);
      expect(isAlive(first)).toBe(true);
      // As if it were another one's by now: it began after the start was noted.
      const record = readFileSync(join(directory, "started"));
      if (words.length === 0) {
        const early = Buffer.from(record);
        early.fill(0, STARTED.sinceBoot);
        writeFileSync(join(directory, "started"), early);
        await sweep();
        expect(isAlive(first)).toBe(true);
        writeFileSync(join(directory, "started"), record);
      }
      expect(await sh("run", "--", "echo", "next")).toEqual({ code: 0, out: "next\n", err: "" });
      while (isAlive(first)) await Bun.sleep(10);
      if (words.length === 0) expect((await sh("rm", name)).code).toBe(0);
    }
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
