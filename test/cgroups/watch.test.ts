import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { signalEach } from "../../src/cgroups/kill.ts";
import { isRoot } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";

/** In a process group of its own: a signal to 0 would be one to all of it. */
test.skipIf(why !== "")(`who watches what is not there is told so, and lives on${why && ` (skipped: ${why})`}`, () => {
  const script = `
    const { watchPressure, watchV1 } = await import(${JSON.stringify(join(import.meta.dir, "../../src/cgroups/watch.ts"))});
    const said = new Set();
    for (let i = 0; i < 20; i++) {
      const nothing = () => {};
      await watchV1("/no/such/group", "memory.oom_control", nothing, nothing).catch((e) => said.add(e.message));
      await watchPressure("/no/such/group/memory.pressure", "some 1 2", nothing, nothing).catch((e) => said.add(e.message));
    }
    console.log([...said].join("\\n"));
    process.exit(0);`;
  const { status, signal, stdout, stderr } = spawnSync("setsid", ["-w", process.execPath, "-e", script], {
    encoding: "utf8",
  });
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: "watch /no/such/group/memory.oom_control: ENOENT\nwatch /no/such/group/memory.pressure: ENOENT\n",
    stderr: "",
  });
});

test("numbers that mean more than one process are refused before anything is sent", () => {
  for (const pid of [0, -1, -process.pid, Number.NaN, 1.5])
    expect(() => signalEach([process.pid, pid], 0)).toThrow(RangeError);
  expect(() => signalEach([process.pid], 0)).not.toThrow();
});
