import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { smallCommands } from "../../src/front/dispatch.ts";
import { encode } from "../../src/program/encode.ts";
import { Bundle, shell } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

const caisson = join(import.meta.dir, "../../dist/caisson-oci");
/** KB of address space: enough for the executor, and for no engine of JavaScript. */
const TOO_LITTLE = 300_000;

/** Only what needs no engine succeeds here. */
function alone(...words: string[]) {
  const p = spawnSync("bash", ["-c", `ulimit -v ${TOO_LITTLE}; exec "$@"`, "bash", caisson, ...words], {
    encoding: "utf8",
  });
  return { code: p.status, out: p.stdout };
}

test("the program of the small commands is the same each time, and small", () => {
  const bytes = encode(smallCommands("x86_64"), false);
  expect(Buffer.compare(bytes, encode(smallCommands("x86_64"), false))).toBe(0);
  expect(bytes.length).toBeLessThan(180_000);
  expect(encode(smallCommands("aarch64"), false).length).toBeGreaterThan(1000);
});

describe.skipIf(!isRoot)("small commands without an engine", () => {
  const made: Bundle[] = [];
  const bundle = (args: string[], change?: ConstructorParameters<typeof Bundle>[1]) => {
    const b = new Bundle(args, change);
    made.push(b);
    expect(b.create()).toMatchObject({ code: 0 });
    return b;
  };
  afterAll(() => {
    for (const b of made) b[Symbol.dispose]();
  });
  const ways = (b: Bundle) => [
    ["--root", b.state],
    ["--debug", "--root", b.state, "--log", join(b.at, "log"), "--log-format", "json"],
  ];

  test("an engine does not start there", () => {
    expect(alone("--version").code).not.toBe(0);
  });

  test("state, start, state, kill, state, delete", async () => {
    for (const way of [0, 1]) {
      const b = bundle(["sleep", "1000"]);
      const options = ways(b)[way] ?? [];
      const status = () => (JSON.parse(alone(...options, "state", b.id).out) as { status: string; pid: number }).status;
      expect(status()).toBe("created");
      expect(alone(...options, "start", b.id)).toEqual({ code: 0, out: "" });
      expect(status()).toBe("running");
      expect(alone(...options, "pause", b.id)).toEqual({ code: 0, out: "" });
      expect(status()).toBe("paused");
      expect(b.call(["pause", b.id]).err).toContain("it is paused");
      expect(alone(...options, "resume", b.id)).toEqual({ code: 0, out: "" });
      expect(status()).toBe("running");
      expect(alone(...options, "kill", b.id, "KILL").code).toBe(0);
      for (let i = 0; i < 100 && status() !== "stopped"; i++) await Bun.sleep(10);
      expect(alone(...options, "delete", b.id).code).toBe(0);
      expect(existsSync(join(b.state, b.id))).toBe(false);
    }
  });

  test("what they say is what the engine says", () => {
    const b = bundle(["sleep", "1000"], (s) => ({ ...s, annotations: { "a.b": 'with "quotes"' } }));
    const front = JSON.parse(alone("--root", b.state, "state", b.id).out) as object;
    // Said in a way that only the engine understands.
    const engine = spawnSync(caisson, [`--root=${b.state}`, "state", b.id], { encoding: "utf8" });
    expect(front).toEqual(JSON.parse(engine.stdout));
  });

  test("delete --force of one that runs, and of one that waits", () => {
    for (const started of [true, false]) {
      const b = bundle(["sleep", "1000"]);
      if (started) expect(alone("--root", b.state, "start", b.id).code).toBe(0);
      const pid = Number(b.state_().pid);
      expect(alone("--root", b.state, "delete", "--force", b.id).code).toBe(0);
      expect(existsSync(join(b.state, b.id))).toBe(false);
      // Whoever adopted it may not have taken note of its end yet.
      const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : "gone) Z";
      expect(stat.replace(/^.*\) /, "")[0]).toMatch(/[ZX]/);
    }
  });

  test("signals by name and number", () => {
    const b = bundle(
      shell(
        "trap 'echo hup >> /data/x' HUP; trap 'echo usr1 >> /data/x' USR1; echo > /data/up; while :; do sleep 0.02; done",
      ),
    );
    alone("--root", b.state, "start", b.id);
    const wait = (text: string) => {
      for (
        let i = 0;
        i < 200 && !spawnSync("cat", [join(b.root, "data/x"), join(b.root, "data/up")]).stdout.includes(text);
        i++
      )
        Bun.sleepSync(10);
    };
    for (let i = 0; i < 200 && !existsSync(join(b.root, "data/up")); i++) Bun.sleepSync(10);
    expect(alone("--root", b.state, "kill", b.id, "SIGHUP").code).toBe(0);
    wait("hup");
    expect(alone("--root", b.state, "kill", b.id, "10").code).toBe(0);
    wait("usr1");
    expect(readFileSync(join(b.root, "data/x"), "utf8")).toBe("hup\nusr1\n");
  });

  test("what goes wrong is the engine's to say", async () => {
    const b = bundle(["sleep", "1000"]);
    const call = (...words: string[]) => b.call(words);
    expect(call("start", b.id).code).toBe(0);
    expect(call("delete", b.id).err).toContain("cannot delete container");
    expect(call("start", b.id).err).toContain("already running");
    expect(call("start", b.id, "more").err).toContain("one word too many");
    expect(call("kill", b.id, "NOSUCH").err).toContain("SIGNAL");
    expect(call("state", "../x").err).toContain("ID:");
    expect(call("state", "nothing").err).toContain("does not exist");
    call("kill", b.id, "9");
    await b.until("stopped");
    expect(call("kill", b.id, "9").err).toContain("container not running");
  });

  test("a start that fails is explained", () => {
    const b = new Bundle(["/bin/strange"]);
    made.push(b);
    writeFileSync(join(b.root, "bin/strange"), "\x7fELF, but not really", { mode: 0o755 });
    expect(b.create().code).toBe(0);
    const r = b.start();
    expect(r.code).toBe(1);
    expect(r.err).toContain("exec format error");
  });

  test("a container with hooks after its start is the engine's", async () => {
    const b = new Bundle(["true"]);
    made.push(b);
    const note = join(b.at, "note");
    b.rewrite((spec) => ({
      ...spec,
      hooks: { poststop: [{ path: "/bin/sh", args: ["sh", "-c", `echo gone > ${note}`] }] },
    }));
    expect(b.create().code).toBe(0);
    expect(alone("--root", b.state, "start", b.id).code).not.toBe(0);
    b.start();
    await b.until("stopped");
    expect(b.call(["delete", b.id]).code).toBe(0);
    expect(readFileSync(note, "utf8")).toBe("gone\n");
  });
});
