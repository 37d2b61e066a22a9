import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "../helpers/machine.ts";
import { Bundle, shell } from "./bundle.ts";

const forever = ["sleep", "1000"];

describe.skipIf(!isRoot)("runtime.md State", () => {
  test("ociVersion, id, status, bundle are there; pid is that of the process", () => {
    using b = new Bundle(forever);
    expect(b.create().code).toBe(0);
    const state = b.state_();
    expect(state).toMatchObject({ id: b.id, status: "created", bundle: b.at });
    expect(state["ociVersion"]).toMatch(/^1\.\d+\.\d+/);
    expect(existsSync(`/proc/${state.pid}`)).toBe(true);
  });
  test("annotations are those of the configuration", () => {
    using b = new Bundle(forever, (s) => ({ ...s, annotations: { "org.example.key": "value" } }));
    b.create();
    expect(b.state_()["annotations"]).toMatchObject({ "org.example.key": "value" });
  });
  test("status goes from created over running to stopped", async () => {
    using b = new Bundle(["sleep", "0.3"]);
    b.create();
    expect(b.state_().status).toBe("created");
    b.start();
    expect(b.state_().status).toBe("running");
    await b.until("stopped");
  });
});

describe.skipIf(!isRoot)("runtime.md Query State", () => {
  test("an error without an id", () => {
    using b = new Bundle(forever);
    expect(b.call(["state"]).code).not.toBe(0);
  });
  test("an error for a container that does not exist", () => {
    using b = new Bundle(forever);
    expect(b.call(["state", b.id]).code).not.toBe(0);
  });
});

describe.skipIf(!isRoot)("runtime.md Create", () => {
  test("an error for a bundle that is not there", () => {
    using b = new Bundle(forever);
    expect(b.call(["create", "--bundle", join(b.at, "nothing"), b.id]).code).not.toBe(0);
    expect(b.call(["state", b.id]).code).not.toBe(0);
  });
  test("an error for an id that is taken, and the container stays as it is", () => {
    using b = new Bundle(forever);
    expect(b.create().code).toBe(0);
    const { pid } = b.state_();
    expect(b.create().code).not.toBe(0);
    expect(b.state_()).toMatchObject({ pid, status: "created" });
  });
  test("the program is not executed before start", async () => {
    using b = new Bundle(shell("echo ran > /data/ran; sleep 1000"));
    b.create();
    await Bun.sleep(200);
    expect(existsSync(join(b.root, "data/ran"))).toBe(false);
    b.start();
    for (let i = 0; i < 100 && !existsSync(join(b.root, "data/ran")); i++) await Bun.sleep(20);
    expect(existsSync(join(b.root, "data/ran"))).toBe(true);
  });
  test("a change of config.json afterwards has no effect", async () => {
    using b = new Bundle(shell("echo first > /data/which"));
    b.create();
    b.rewrite((spec) => ({ ...spec, process: undefined }));
    expect(b.start().code).toBe(0);
    await b.until("stopped");
    expect(readFileSync(join(b.root, "data/which"), "utf8")).toBe("first\n");
  });
  test("an error for a configuration that is none, and nothing is created", () => {
    using b = new Bundle(forever);
    for (const text of ["", "{", "[]", "null", '{"ociVersion":"1.0.2"', '{"ociVersion":1}']) {
      b.write(text);
      expect(b.create().code).not.toBe(0);
      expect(b.call(["state", b.id]).code).not.toBe(0);
    }
  });
  test("an error for a program that is not there, at the latest at start", () => {
    using b = new Bundle(["/bin/nothing-here"]);
    const created = b.create();
    expect(created.code !== 0 || b.start().code !== 0).toBe(true);
  });
  test("--pid-file has the pid and nothing else", () => {
    using b = new Bundle(forever);
    const file = join(b.at, "pid");
    b.create("--pid-file", file);
    expect(readFileSync(file, "utf8")).toBe(String(b.state_().pid));
  });
  test("the process is a child of whoever adopts those of its creator", () => {
    using b = new Bundle(forever);
    b.create();
    const parent = readFileSync(`/proc/${b.state_().pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ")[1];
    expect(readFileSync(`/proc/${parent}/cmdline`, "utf8")).not.toContain("create");
  });
});

describe.skipIf(!isRoot)("runtime.md Start", () => {
  test("an error without an id, and for one that does not exist", () => {
    using b = new Bundle(forever);
    expect(b.call(["start"]).code).not.toBe(0);
    expect(b.start().code).not.toBe(0);
  });
  test("an error for a container that runs, without effect", () => {
    using b = new Bundle(forever);
    b.create();
    expect(b.start().code).toBe(0);
    expect(b.start().code).not.toBe(0);
    expect(b.state_().status).toBe("running");
  });
  test("an error for one that has stopped", async () => {
    using b = new Bundle(["true"]);
    b.create();
    b.start();
    await b.until("stopped");
    expect(b.start().code).not.toBe(0);
  });
});

describe.skipIf(!isRoot)("runtime.md Kill", () => {
  test("an error without an id, and for one that does not exist", () => {
    using b = new Bundle(forever);
    expect(b.call(["kill"]).code).not.toBe(0);
    expect(b.call(["kill", b.id, "KILL"]).code).not.toBe(0);
  });
  test("one that is created ends by it", async () => {
    using b = new Bundle(forever);
    b.create();
    expect(b.call(["kill", b.id, "KILL"]).code).toBe(0);
    await b.until("stopped");
  });
  test("the signal arrives", async () => {
    using b = new Bundle(
      shell("trap 'echo caught > /data/caught; exit' USR1; echo > /data/up; while :; do sleep 0.05; done"),
    );
    b.create();
    b.start();
    for (let i = 0; i < 100 && !existsSync(join(b.root, "data/up")); i++) await Bun.sleep(20);
    expect(b.call(["kill", b.id, "USR1"]).code).toBe(0);
    await b.until("stopped");
    expect(existsSync(join(b.root, "data/caught"))).toBe(true);
  });
  test("an error for one that has stopped, without effect", async () => {
    using b = new Bundle(["true"]);
    b.create();
    b.start();
    await b.until("stopped");
    expect(b.call(["kill", b.id, "TERM"]).code).not.toBe(0);
    expect(b.state_().status).toBe("stopped");
  });
});

describe.skipIf(!isRoot)("runtime.md Delete", () => {
  test("an error without an id, and for one that does not exist", () => {
    using b = new Bundle(forever);
    expect(b.call(["delete"]).code).not.toBe(0);
    expect(b.call(["delete", b.id]).code).not.toBe(0);
  });
  test("an error for one that runs, without effect", () => {
    using b = new Bundle(forever);
    b.create();
    b.start();
    expect(b.call(["delete", b.id]).code).not.toBe(0);
    expect(b.state_().status).toBe("running");
  });
  test("one that nobody has started goes as well; one that is paused does not", () => {
    using b = new Bundle(forever);
    b.create();
    const { pid } = b.state_();
    expect(b.call(["delete", b.id]).code).toBe(0);
    expect(b.call(["state", b.id]).code).not.toBe(0);
    // Nobody of ours reaps it.
    const stat = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : "gone";
    expect(stat).toMatch(/gone|\) Z /);
    b.create();
    expect(b.call(["pause", b.id]).code).toBe(0);
    expect(b.call(["delete", b.id]).code).not.toBe(0);
    expect(b.call(["resume", b.id]).code).toBe(0);
  });
  test("what was created is gone, and the id is free", async () => {
    using b = new Bundle(["true"]);
    for (let i = 0; i < 2; i++) {
      expect(b.create().code).toBe(0);
      b.start();
      await b.until("stopped");
      expect(b.call(["delete", b.id]).code).toBe(0);
      expect(b.call(["state", b.id]).code).not.toBe(0);
    }
  });
  test("files of the bundle, which it did not create, stay", async () => {
    using b = new Bundle(["true"]);
    writeFileSync(join(b.root, "mine"), "");
    b.create();
    b.start();
    await b.until("stopped");
    b.call(["delete", b.id]);
    expect(existsSync(join(b.root, "mine"))).toBe(true);
  });
});

describe.skipIf(!isRoot)("spec.md", () => {
  test("unknown properties are passed over", () => {
    using b = new Bundle(["true"], (s) => ({ ...s, unknown: { deep: [1] }, linux: { ...s.linux, unknown: 1 } }));
    expect(b.run().code).toBe(0);
  });
  test("the exit code of run is the command's", () => {
    using b = new Bundle(shell("exit 42"));
    expect(b.run().code).toBe(42);
  });
});
