import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "../helpers/machine.ts";
import { Bundle, shell } from "./bundle.ts";

/** A hook that appends what it is given to a file of the host's, or of the container's. */
const hook = (at: string, note: string, extra = "") => ({
  path: "/bin/sh",
  args: ["sh", "-c", `${extra} { echo ${note}; cat; echo; } >> ${at}`],
  env: ["PATH=/bin:/usr/bin"],
});

describe.skipIf(!isRoot)("config.md POSIX-platform Hooks", () => {
  test("env: what is given and nothing else, also if that is nothing; without it that of who starts the hook", () => {
    using b = new Bundle(["true"]);
    const log = (name: string) => join(b.at, name);
    const noting = (file: string, env?: string[]) => ({
      path: "/bin/sh",
      args: ["sh", "-c", `/bin/cat /proc/$$/environ >${file}`],
      ...(env && { env }),
    });
    b.rewrite((spec) => ({
      ...spec,
      process: { ...spec.process, env: ["PATH=/bin", "OF=command"] },
      hooks: {
        createRuntime: [noting(log("none")), noting(log("empty"), []), noting(log("given"), ["A=b", "C="])],
        startContainer: [noting("/data/inside")],
        poststart: [noting(log("poststart"))],
        poststop: [noting(log("poststop"))],
      },
    }));
    const env = { PATH: process.env["PATH"] ?? "", OF: "runtime" };
    const p = Bun.spawnSync(b.words("run", "--bundle", b.at, b.id), { env });
    expect(p.exitCode).toBe(0);
    const read = (file: string) =>
      readFileSync(file, "utf8")
        .split("\0")
        .filter((v) => v !== "" && !/^(BUN_|_|PWD=|SHLVL=|OLDPWD=)/.test(v))
        .sort();
    for (const name of ["none", "poststart", "poststop"])
      expect(read(log(name))).toEqual(["OF=runtime", `PATH=${env.PATH}`]);
    expect(read(log("empty"))).toEqual([]);
    expect(read(log("given"))).toEqual(["A=b", "C="]);
    expect(read(join(b.root, "data/inside"))).toContain("OF=command");
  });
  test("each kind at its time, in the order of its list, with the state on standard input", async () => {
    using b = new Bundle(["sleep", "1000"]);
    const log = join(b.at, "log");
    const inside = "/data/log";
    b.rewrite((spec) => ({
      ...spec,
      hooks: {
        prestart: [hook(log, "prestart")],
        createRuntime: [hook(log, "createRuntime-1"), hook(log, "createRuntime-2")],
        createContainer: [hook(log, "createContainer")],
        startContainer: [hook(inside, "startContainer")],
        poststart: [hook(log, "poststart")],
        poststop: [hook(log, "poststop")],
      },
    }));
    expect(b.create().code).toBe(0);
    const notes = (file: string) =>
      (existsSync(file) ? readFileSync(file, "utf8") : "").split("\n").filter((l) => /^[a-z][\w-]+$/i.test(l));
    const early = ["prestart", "createRuntime-1", "createRuntime-2", "createContainer"];
    expect(notes(log)).toEqual(early);
    expect(existsSync(join(b.root, "data/log"))).toBe(false);
    expect(b.start().code).toBe(0);
    expect(notes(log)).toEqual([...early, "poststart"]);
    expect(notes(join(b.root, "data/log"))).toEqual(["startContainer"]);
    const { pid } = b.state_();
    b.call(["kill", b.id, "KILL"]);
    await b.until("stopped");
    b.call(["delete", b.id]);
    expect(notes(log)).toEqual([...early, "poststart", "poststop"]);
    const states = readFileSync(log, "utf8")
      .split("\n")
      .filter((l) => l.startsWith("{"))
      .map((l) => JSON.parse(l) as { id: string; bundle: string; status: string; pid: number });
    expect(states).toHaveLength(6);
    for (const s of states) expect(s).toMatchObject({ id: b.id, bundle: b.at });
    expect(states[0]).toMatchObject({ status: "creating", pid });
    expect(states[4]).toMatchObject({ status: "running", pid });
    expect(states[5]).toMatchObject({ status: "stopped" });
    expect(JSON.parse(readFileSync(join(b.root, "data/log"), "utf8").split("\n")[1] ?? "")).toMatchObject({
      id: b.id,
      status: "created",
    });
  });

  test("createRuntime is performed in the runtime's namespaces, before the root is changed", () => {
    using b = new Bundle(["sleep", "1000"], (s) => ({
      ...s,
      hooks: {
        createRuntime: [
          { path: "/bin/sh", args: ["sh", "-c", `readlink /proc/self/ns/mnt > ${"$0"}`, "/var/tmp/conformance-ns"] },
        ],
      },
    }));
    expect(b.create().code).toBe(0);
    expect(readFileSync("/var/tmp/conformance-ns", "utf8").trim()).toBe(readlinkSync("/proc/self/ns/mnt"));
    rmSync("/var/tmp/conformance-ns");
  });

  test("createContainer is performed in the container's, where mounts of the host can still be made", () => {
    using b = new Bundle(["cat", "/data/note"]);
    const source = join(b.at, "note");
    writeFileSync(source, "bound by a hook\n");
    writeFileSync(join(b.root, "data/note"), "");
    const args = ["mount", "--bind", source, join(b.root, "data/note")];
    b.rewrite((spec) => ({ ...spec, hooks: { createContainer: [{ path: "/bin/mount", args }] } }));
    expect(b.run()).toMatchObject({ code: 0, out: "bound by a hook\n" });
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(b.at);
  });

  for (const kind of ["prestart", "createRuntime", "createContainer"])
    test(`${kind} that fails: an error, and the container is gone`, () => {
      using b = new Bundle(["sleep", "1000"], (s) => ({
        ...s,
        hooks: { [kind]: [{ path: "/bin/sh", args: ["sh", "-c", "echo out of order >&2; exit 3"] }] },
      }));
      expect(b.create().code).not.toBe(0);
      expect(b.call(["state", b.id]).code).not.toBe(0);
    });

  test("startContainer that fails: start fails, and the program is not executed", () => {
    using b = new Bundle(shell("echo ran > /data/ran"), (s) => ({
      ...s,
      hooks: { startContainer: [{ path: "/bin/false" }] },
    }));
    b.create();
    b.start();
    Bun.sleepSync(200);
    expect(existsSync(join(b.root, "data/ran"))).toBe(false);
  });

  test("poststop that fails: the others are performed, and delete succeeds", async () => {
    using b = new Bundle(["true"]);
    const log = join(b.at, "log");
    b.rewrite((spec) => ({ ...spec, hooks: { poststop: [{ path: "/bin/false" }, hook(log, "second")] } }));
    b.create();
    b.start();
    await b.until("stopped");
    expect(b.call(["delete", b.id]).code).toBe(0);
    expect(readFileSync(log, "utf8")).toContain("second");
  });

  test("the time of a hook is over: an error", () => {
    using b = new Bundle(["true"], (s) => ({
      ...s,
      hooks: { createRuntime: [{ path: "/bin/sleep", args: ["sleep", "30"], timeout: 1 }] },
    }));
    const began = Date.now();
    expect(b.create().code).not.toBe(0);
    expect(Date.now() - began).toBeLessThan(15_000);
  });

  test("poststart that takes longer than the command: run ends with the command's exit code", () => {
    using b = new Bundle(["sh", "-c", "exit 7"], (s) => ({
      ...s,
      hooks: { poststart: [{ path: "/bin/sleep", args: ["sleep", "0.5"] }] },
    }));
    expect(b.run().code).toBe(7);
  });

  test("poststop that fails: run tells of it, and ends with the command's exit code", () => {
    using b = new Bundle(["sh", "-c", "exit 7"], (s) => ({ ...s, hooks: { poststop: [{ path: "/bin/false" }] } }));
    const r = b.run();
    expect(r.code).toBe(7);
    expect(r.err).toContain("error running hook");
  });

  test("args are the whole argv; without them it is the path", () => {
    using b = new Bundle(["true"]);
    const out = join(b.at, "argv0");
    b.rewrite((spec) => ({
      ...spec,
      hooks: { createRuntime: [{ path: "/bin/sh", args: ["another-name", "-c", `echo $0 > ${out}`] }] },
    }));
    expect(b.create().code).toBe(0);
    expect(readFileSync(out, "utf8")).toBe("another-name\n");
  });
});
