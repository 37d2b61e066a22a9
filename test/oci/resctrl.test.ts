import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HostFacts } from "../../src/host/facts.ts";
import { resctrlFor } from "../../src/oci/groups.ts";
import { resctrlGroups, schemataOf } from "../../src/oci/resctrl.ts";
import { Bundle, linux, shell, specOf } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

/** What `resctrlGroups` looks at: names, and the text of a file as the kernel shows it. */
describe("groups of resctrl, as config-linux.md has them", () => {
  let point: string;
  beforeAll(() => {
    point = mkdtempSync(join(tmpdir(), "caisson-resctrl-"));
    mkdirSync(join(point, "gold"));
    writeFileSync(join(point, "gold/schemata"), "    L3:0=00ff;1=000f\n    MB:0=100;1= 50\n");
  });
  afterAll(() => rmSync(point, { recursive: true }));

  test("the lines of all three, those of bandwidth from memBwSchema alone", () => {
    expect(schemataOf({})).toEqual([]);
    expect(schemataOf({ l3CacheSchema: "L3:0=f\nMB:0=10", memBwSchema: "MB:0=20" })).toEqual(["L3:0=f", "MB:0=20"]);
    expect(schemataOf({ l3CacheSchema: "L3:0=f\nMB:0=10\n", schemata: ["L2:0=1", ""] })).toEqual([
      "L3:0=f",
      "MB:0=10",
      "L2:0=1",
    ]);
  });

  test("without closID it is the container's own: made, written to, entered, removed", () => {
    const {
      plan,
      join: enter,
      remove,
    } = resctrlGroups({ l3CacheSchema: "L3:0=f", enableMonitoring: true }, "one", point);
    const [own, monitor] = [join(point, "one"), join(point, "one/mon_groups/one")];
    expect(plan.map((g) => [g.path, g.existing, g.writes, g.unified])).toEqual([
      [own, undefined, [{ file: "schemata", text: "L3:0=f\n" }], false],
      [monitor, undefined, [], false],
    ]);
    expect(enter).toEqual([own, monitor]);
    expect(remove).toEqual([own]);
  });

  test("one that is named and not there is made and left; with nothing to make it with it is an error", () => {
    const { plan, remove } = resctrlGroups({ closID: "silver", memBwSchema: "MB:0=20" }, "one", point);
    const path = join(point, "silver");
    expect(plan).toMatchObject([
      { path, parents: [path], existing: true, writes: [{ file: "schemata", text: "MB:0=20\n" }] },
    ]);
    expect(remove).toEqual([]);
    expect(() => resctrlGroups({ closID: "silver" }, "one", point)).toThrow("linux.intelRdt.closID: there is no");
  });

  test("one that is there is entered, and only if it is as it is wanted", () => {
    const same = { closID: "gold", l3CacheSchema: "L3:0=FF;1=f", schemata: ["MB:1=50"] };
    const { plan, remove } = resctrlGroups({ ...same, enableMonitoring: true }, "one", point);
    expect(plan[0]).toMatchObject({ path: join(point, "gold"), existing: true, parents: [], writes: [] });
    expect(remove).toEqual([join(point, "gold/mon_groups/one")]);
    expect(resctrlGroups({ closID: "gold" }, "one", point).join).toEqual([join(point, "gold")]);
    for (const [l3CacheSchema, message] of [
      ["L3:0=f", "with L3:0=ff instead of f"],
      ["L3:2=f", "with L3:2=nothing instead of f"],
      ["L2:0=f", "with L2:0=nothing instead of f"],
    ] as const)
      expect(() => resctrlGroups({ closID: "gold", l3CacheSchema }, "one", point)).toThrow(message);
    expect(resctrlGroups({ closID: "/" }, "one", point).join).toEqual([point]);
  });

  test("a name that leads elsewhere, and a text that is none of the kernel's, are refused", () => {
    for (const closID of ["", ".", "..", "a/b", "../x", "info", "mon_groups"])
      expect(() => resctrlGroups({ closID }, "one", point)).toThrow("linux.intelRdt.closID");
    for (const text of ["L3", "L3:0", "L3:0=zz", "L3:0=f;", "0=f"])
      expect(() => resctrlGroups({ l3CacheSchema: text }, "one", point)).toThrow("is not of the form");
  });

  test("where it is mounted is found, not assumed", () => {
    const facts = (type: string) => ({ mounts: [{ type, point }] }) as unknown as HostFacts;
    const spec = { ...specOf(["true"]), linux: { intelRdt: { closID: "gold" } } };
    expect(resctrlFor(spec, "one", facts("resctrl"))?.join).toEqual([join(point, "gold")]);
    expect(() => resctrlFor(spec, "one", facts("tmpfs"))).toThrow("linux.intelRdt: resctrl is not mounted");
    expect(resctrlFor(specOf(["true"]), "one", facts("tmpfs"))).toBeUndefined();
  });
});

const mounted = existsSync("/sys/fs/resctrl/schemata");

test.skipIf(!isRoot || mounted)("where resctrl is not mounted, a container that asks for it is refused by name", () => {
  using b = new Bundle(["true"], linux({ intelRdt: { l3CacheSchema: "L3:0=f" } }));
  expect(b.run()).toMatchObject({ code: 1, out: "" });
  expect(b.run().err).toContain("linux.intelRdt: resctrl is not mounted on this machine");
  using plain = new Bundle(["sleep", "1000"]);
  expect(plain.create().code).toBe(0);
  const changed = plain.call(["update", "--l3-cache-schema", "L3:0=f", plain.id]);
  expect(changed.err).toContain("made without linux.intelRdt");
});

test.skipIf(!isRoot || !mounted)(
  `a container is in its group of resctrl, and so is an exec${mounted ? "" : " (skipped: resctrl is not mounted: no machine with the feature)"}`,
  async () => {
    using b = new Bundle(shell("sleep 1000"), linux({ intelRdt: { enableMonitoring: true } }));
    expect(b.create().code).toBe(0);
    expect(b.start().code).toBe(0);
    const group = join("/sys/fs/resctrl", b.id);
    expect(readFileSync(join(group, "tasks"), "utf8").split("\n")).toContain(String(b.state_().pid));
    b[Symbol.dispose]();
    expect(existsSync(group)).toBe(false);
  },
);
