import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { editsOf, knownDevices } from "../../src/cdi/edits.ts";
import { readCdi } from "../../src/cdi/files.ts";
import { nameText, parseName } from "../../src/cdi/names.ts";

test("qualified names: a vendor, a class, a name; paths are none", () => {
  for (const text of ["vendor.com/gpu=0", "a/b=c", "v-1.x_y/net-dev=GPU-12:3.4_x"])
    expect(nameText(parseName(text) ?? { kind: "", name: "" })).toBe(text);
  for (const text of [
    "/dev/fuse",
    "vendor/class",
    "1v/c=n",
    "v/c.d=n",
    "v/c=",
    "v/c=-n",
    "v/c=n:",
    "v-/c=n",
    "v/c=n=m",
  ])
    expect(parseName(text)).toBeUndefined();
});

describe("files", () => {
  const top = mkdtempSync(join(tmpdir(), "caisson-cdi-"));
  const directories = [join(top, "etc"), join(top, "run"), join(top, "missing")];
  const [etc = "", run = ""] = directories;
  beforeEach(() => {
    for (const d of [etc, run]) {
      rmSync(d, { recursive: true, force: true });
      mkdirSync(d);
    }
  });
  afterAll(() => rmSync(top, { recursive: true }));

  const spec = (names: readonly string[], env: string, more: object = {}) => ({
    cdiVersion: "0.6.0",
    kind: "acme.com/thing",
    devices: names.map((name) => ({ name, containerEdits: { env: [`${env}=${name}`] } })),
    ...more,
  });
  const put = (directory: string, file: string, value: unknown) =>
    writeFileSync(join(directory, file), typeof value === "string" ? value : JSON.stringify(value));
  const environment = (...names: string[]) =>
    editsOf(
      readCdi(directories),
      names.map((name) => ({ kind: "acme.com/thing", name })),
    ).flatMap((e) => e.env);

  test("JSON and YAML are read, other files are not", () => {
    put(etc, "a.json", spec(["0"], "A"));
    put(
      etc,
      "b.yaml",
      "cdiVersion: v1.0.0\nkind: acme.com/other\ndevices: [{name: x, containerEdits: {env: [B=x]}}]\n",
    );
    put(etc, "c.yml", "no such thing");
    put(etc, ".d.json.swp", "");
    expect(knownDevices(readCdi(directories))).toEqual(["acme.com/other=x", "acme.com/thing=0"]);
    expect(readCdi(directories).errors).toEqual([]);
  });

  test("what holds for all of a file comes once, before its devices", () => {
    put(etc, "a.json", spec(["0", "1"], "A", { containerEdits: { env: ["ALL=1"] } }));
    expect(environment("1", "0")).toEqual(["ALL=1", "A=1", "A=0"]);
  });

  test("a later directory comes first; two files of one directory are an error", () => {
    put(etc, "a.json", spec(["0", "1"], "ETC"));
    put(run, "a.json", spec(["0"], "RUN"));
    expect(environment("0", "1")).toEqual(["RUN=0", "ETC=1"]);
    put(etc, "b.json", spec(["0", "1"], "TWICE"));
    expect(environment("0")).toEqual(["RUN=0"]);
    expect(() => environment("1")).toThrow(`acme.com/thing=1: both ${etc}/a.json and ${etc}/b.json describe it`);
  });

  test("a file that is wrong is named when a device is not found, and keeps nobody from those of others", () => {
    put(etc, "a.json", spec(["0"], "A"));
    put(run, "bad.json", "{");
    expect(environment("0")).toEqual(["A=0"]);
    expect(() => environment("1")).toThrow(`${run}/bad.json: `);
    rmSync(join(run, "bad.json"));
    expect(() => environment("1")).toThrow('devices: "acme.com/thing=1" is not one of acme.com/thing=0');
  });

  test.each([
    [{ cdiVersion: "2.0.0" }, 'cdiVersion: "2.0.0" is not a version up to 1.1'],
    [{ kind: "thing" }, 'kind: "thing" is not of the form "vendor/class"'],
    [{ devices: [] }, "devices: [] is not at least one device"],
    [{ devices: [{ name: "a b", containerEdits: {} }] }, 'devices.0.name: "a b" is not a name of'],
    [{ containerEdits: { deviceNodes: [{ path: "dev" }] } }, 'deviceNodes.0.path: "dev" is not an absolute path'],
    [{ containerEdits: { deviceNodes: [{ path: "/dev/a", permissions: "x" }] } }, 'permissions: "x" is not some of'],
    [{ containerEdits: { env: ["A"] } }, 'containerEdits.env.0: "A" is not of the form "NAME=value"'],
    [{ containerEdits: { mounts: [{ hostPath: "/a" }] } }, "containerPath: required, but missing"],
    [{ containerEdits: { additionalGids: [-1] } }, "additionalGids.0: -1 is not"],
  ])("%j is refused by name", (more, message) => {
    put(etc, "a.json", spec(["0"], "A", more));
    expect(readCdi(directories).errors.map((e) => e.message)[0]).toContain(message);
  });
});
