import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { layout } from "../../src/cgroups/look.ts";
import { commandFront } from "../../src/front/command.ts";
import { places } from "../../src/host/places.ts";
import { encode } from "../../src/program/encode.ts";
import { alone, environment } from "../helpers/alone.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const name = `pause-${process.pid}`;

test("the program is the same each time, and small", () => {
  const bytes = encode(commandFront("x86_64"), false);
  expect(Buffer.compare(bytes, encode(commandFront("x86_64"), false))).toBe(0);
  expect(bytes.length).toBeLessThan(72_000);
});

const why = !isRoot
  ? "needs root"
  : !layout().v2
    ? "no v2 hierarchy is mounted"
    : process.env["CAISSON_ROOT"]
      ? "CAISSON_ROOT is set: then it is left to the engine"
      : "";
describe.skipIf(why !== "")(`pause and unpause without an engine${why && ` (skipped: ${why})`}`, () => {
  const isFrozen = () => readFileSync(`${places().state}/${name}/home/cgroup.events`, "utf8").includes("frozen 1");
  beforeAll(async () => {
    expect(await sh("run", "-d", "--name", name, "--cgroups", "account", "--", "sleep", "1000")).toMatchObject({
      code: 0,
    });
  });
  afterAll(async () => {
    await sh("rm", "--force", name);
    expect(existsSync(`${places().state}/${name}`)).toBe(false);
  });

  test("by its whole name", () => {
    expect(alone(["pause", name]).code).toBe(0);
    expect(isFrozen()).toBe(true);
    expect(alone(["unpause", name]).code).toBe(0);
    expect(isFrozen()).toBe(false);
  });
  test("what is said in another way is left to the engine, which does it", async () => {
    for (const words of [["pause"], ["pause", name.slice(0, -1)], ["pause", name, name], ["pause", "--help"]])
      expect(alone(words).code).not.toBe(0);
    expect(alone(["pause", name], { env: { ...environment, CAISSON_ROOT: "/nowhere" } }).code).not.toBe(0);
    expect(isFrozen()).toBe(false);
    expect(await sh("pause", name.slice(0, -1))).toMatchObject({ code: 0 });
    expect(isFrozen()).toBe(true);
    expect(await sh("unpause", name)).toMatchObject({ code: 0 });
  });
  test("a container that has ended, and none at all: the engine says so", async () => {
    const ended = `${name}-ended`;
    await sh("run", "-d", "--name", ended, "--cgroups", "account", "--", "true");
    await sh("wait", ended);
    expect((await sh("pause", ended)).err).toContain("is not running");
    await sh("rm", ended);
    for (const other of ["nothing-here", "..", ".", "/", ""]) expect((await sh("pause", other)).code).toBe(125);
  });
});
