import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

test.skipIf(!isRoot)(
  "crun's annotations: what hooks print is appended to files, of the bundle or of a whole path",
  async () => {
    const say = (name: string) => ({ path: "/bin/sh", args: ["sh", "-c", `echo ${name}; echo ${name} wrong >&2`] });
    using b = new Bundle(["true"]);
    b.rewrite((spec) => ({
      ...spec,
      annotations: { "run.oci.hooks.stdout": "out-of-hooks", "run.oci.hooks.stderr": join(b.at, "err-of-hooks") },
      hooks: {
        createRuntime: [say("createRuntime")],
        createContainer: [say("createContainer")],
        poststart: [say("poststart")],
        poststop: [say("poststop")],
      },
    }));
    const names = ["createRuntime", "createContainer", "poststart", "poststop"];
    expect(b.run()).toEqual({ code: 0, out: "", err: "" });
    const read = (name: string) => readFileSync(join(b.at, name), "utf8").trim().split("\n");
    expect(read("out-of-hooks")).toEqual(names);
    expect(read("err-of-hooks")).toEqual(names.map((n) => `${n} wrong`));
    expect(b.create().code).toBe(0);
    expect(b.start().code).toBe(0);
    await b.until("stopped");
    expect(b.call(["delete", b.id], { cwd: b.at }).code).toBe(0);
    expect(read("out-of-hooks")).toEqual([...names, ...names]);
  },
);

test.skipIf(!isRoot)("a file that cannot be made is an error of the hook's, and nothing is left", () => {
  using b = new Bundle(["true"], (s) => ({
    ...s,
    annotations: { "run.oci.hooks.stdout": "/no/such/directory/file" },
    hooks: { createRuntime: [{ path: "/bin/true" }] },
  }));
  const r = b.run();
  expect(r.code).toBe(1);
  expect(r.err).toContain("open /no/such/directory/file: no such file or directory");
  expect(b.call(["list", "--quiet"]).out).toBe("");
});
