import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const id = `filters-${process.pid}`;
const [one, two, over] = ["one", "two", "over"].map((n) => `${id}-${n}`) as [string, string, string];

describe.skipIf(why !== "")(`ps --filter${why && ` (skipped: ${why})`}`, () => {
  beforeAll(async () => {
    const start = (name: string, labels: readonly string[], ...command: string[]) =>
      sh("run", "-d", "--name", name, ...labels.flatMap((l) => ["--label", l]), "--", ...command);
    expect(await start(one, [`of=${id}`, "tier=a=b", "bare"], "sleep", "100")).toMatchObject({ code: 0, err: "" });
    expect((await start(two, [`of=${id}`], "sleep", "100")).code).toBe(0);
    expect((await start(over, [`of=${id}`], "true")).code).toBe(0);
    await sh("wait", over);
  });
  afterAll(async () => {
    expect((await sh("rm", "--force", one, two, over)).code).toBe(0);
  });
  const names = async (...words: string[]) => {
    const r = await sh("ps", "--quiet", ...words.flatMap((w) => (w.startsWith("-") ? [w] : ["--filter", w])));
    expect(r).toMatchObject({ code: 0, err: "" });
    return r.out.split("\n").filter(Boolean).sort();
  };

  test("by label, with its value or whatever that is; all of several", async () => {
    expect(await names(`label=of=${id}`)).toEqual([one, two]);
    expect(await names(`label=of=${id}`, "--all")).toEqual([one, over, two]);
    expect(await names("label=tier=a=b")).toEqual([one]);
    expect(await names("label=constructor")).toEqual([]);
    expect(await names("label=tier=a")).toEqual([]);
    expect(await names(`label=of=${id}`, "label=bare")).toEqual([one]);
  });
  test("by a part of its name, any of several; and by status", async () => {
    expect(await names(`name=${id}`)).toEqual([one, two]);
    expect(await names(`name=${two}`, `name=${one}`, `label=of=${id}`)).toEqual([one, two]);
    expect(await names(`name=${id}`, "status=exited")).toEqual([over]);
    await sh("pause", two);
    expect(await names(`name=${id}`, "status=paused")).toEqual([two]);
    expect(await names(`name=${id}`, "status=running", "status=exited")).toEqual([one, over]);
    await sh("unpause", two);
  });
  test("labels are told of", async () => {
    const labels = { of: id, tier: "a=b", bare: "" };
    expect(JSON.parse((await sh("inspect", one)).out)[0].labels).toEqual(labels);
    expect(JSON.parse((await sh("ps", "--json", "-f", "label=bare")).out)[0].labels).toEqual(labels);
  });
  test("what cannot be asked for is refused, and with what would be", async () => {
    for (const [given, said] of [
      ["colour=red", '--filter: "colour" is not one of name, status, label'],
      ["status=gone", '--filter status: "gone" is not one of creating, running, paused, exited, lost'],
      ["name", '--filter: "name" is not of the form "name=value"'],
      ["toString=x", '--filter: "toString" is not one of name, status, label'],
    ])
      expect(await sh("ps", "--filter", given as string)).toMatchObject({
        code: 125,
        err: expect.stringContaining(said as string),
      });
    expect((await sh("run", "--label", "=x", "--", "true")).err).toContain("--label");
  });
});
