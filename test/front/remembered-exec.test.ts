import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { checksOf, DIRECTORY } from "../../src/remember/places.ts";
import { alone, environment } from "../helpers/alone.ts";
import { caisson } from "../helpers/command.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const NAME = `executed-${process.pid}`;

describe.skipIf(why !== "")(`an exec that was given before${why && ` (skipped: ${why})`}`, () => {
  let before: ReturnType<typeof leftovers>;
  const forget = () => rmSync(DIRECTORY, { recursive: true, force: true });
  const once = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(caisson, words, {
      ...{ env: environment, encoding: "utf8", timeout: 20_000 },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { code: status, out: stdout, err: stderr };
  };
  const start = (...words: string[]) =>
    expect(once("run", "-d", "--rm", "--name", NAME, ...words, "--", "sleep", "600").code).toBe(0);
  const end = () => expect(once("rm", "--force", NAME)).toMatchObject({ code: 0 });
  /** The second time, it is kept. */
  const twice = (...words: string[]) => {
    once("exec", ...words);
    return once("exec", ...words);
  };
  const again = (...words: string[]) => alone(["exec", ...words]);

  beforeAll(async () => {
    forget();
    before = await settled();
    start();
  });
  afterAll(async () => {
    end();
    forget();
    expect(await settled()).toEqual(before);
  });

  test("is performed without an engine, whatever the command, and leaves nothing of itself", () => {
    const shell = [NAME, "sh", "-c", "hostname; readlink /proc/self/ns/pid; exit 3"];
    expect(again(...shell).code).not.toBe(3);
    const by = twice(...shell);
    expect(by).toMatchObject({ code: 3, err: "" });
    expect(again(...shell)).toEqual({ ...by });
    expect(again(NAME, "cat", "/proc/1/comm")).toMatchObject({ code: 0, out: "sleep\n" });
    expect(again(NAME, "/bin/sh", "-c", "kill -KILL $$").code).toBe(137);
    expect(readdirSync("/dev/shm").filter((f) => f.startsWith("caisson-"))).toEqual([]);
  });

  test("what is not to be executed is said as the engine says it", () => {
    expect(again(NAME, "nowhere-to-be-found").code).not.toBe(0);
    expect(once("exec", NAME, "nowhere-to-be-found")).toMatchObject({
      code: 127,
      err: expect.stringContaining("command not found in the container"),
    });
    expect(once("exec", NAME, "/etc")).toMatchObject({ code: 126 });
  });

  test("users, directories and values of its environment, which nothing of it is kept", () => {
    const words = (value: string) => ["-u", "65534:100", "-w", "/tmp", "-e", `A=${value}`, NAME];
    const said = ["sh", "-c", 'echo "$(id -u):$(id -g) $PWD $A"'];
    expect(twice(...words("secret 1"), ...said)).toMatchObject({ code: 0, out: "65534:100 /tmp secret 1\n" });
    expect(again(...words("secret 2"), ...said)).toMatchObject({ code: 0, out: "65534:100 /tmp secret 2\n" });
    for (const name of readdirSync(DIRECTORY))
      expect(readFileSync(join(DIRECTORY, name)).includes("secret")).toBe(false);
    expect(again("-u", "1", ...words("1").slice(2), ...said).code).not.toBe(0);
  });

  test("it is in the container's control groups", () => {
    expect(once("update", "--pids-limit", "100", NAME).code).toBe(0);
    const groups = [NAME, "cat", "/proc/1/cgroup", "/proc/self/cgroup"];
    const { out } = twice(...groups);
    const [first, own] = [out.slice(0, out.length / 2), out.slice(out.length / 2)];
    expect(own).toBe(first);
    expect(again(...groups).out).toBe(`${first}${own}`);
  });

  test("a container that is paused is not entered, nor is another one of that name", () => {
    // Its group is made when it is first of use.
    for (const verb of ["pause", "unpause"]) expect(once(verb, NAME).code).toBe(0);
    expect(twice(NAME, "true").code).toBe(0);
    expect(again(NAME, "true").code).toBe(0);
    expect(once("pause", NAME).code).toBe(0);
    expect(again(NAME, "true").code).not.toBe(0);
    expect(once("exec", NAME, "true")).toEqual({
      code: 125,
      out: "",
      err: `caisson: the container ${NAME} is paused: "caisson unpause ${NAME}" lets it go on\n`,
    });
    expect(once("unpause", NAME).code).toBe(0);
    expect(again(NAME, "true").code).toBe(0);
    end();
    expect(again(NAME, "true").code).not.toBe(0);
    expect(once("exec", NAME, "true").err).toContain("no container is named");
    start("--hostname", "another");
    expect(again(NAME, "hostname").code).not.toBe(0);
    expect(twice(NAME, "hostname").out).toBe("another\n");
    expect(again(NAME, "hostname").out).toBe("another\n");
  });

  test("what depends on more than its words is the engine's each time", () => {
    const kept = (...words: string[]) => {
      const path = checksOf({ cwd: undefined, names: [], words: ["exec", ...words] });
      return existsSync(path) && statSync(path).size > 0;
    };
    for (const words of [
      ["-e", "HOME", NAME],
      ["--detach", NAME],
      ["--namespaces", "network", NAME],
      // The beginning of a name may be that of another container tomorrow.
      [NAME.slice(0, -1)],
    ]) {
      expect(twice(...words, "true").code).toBe(0);
      expect(kept(...words)).toBe(false);
      expect(again(...words, "true").code).not.toBe(0);
    }
  });

  test("one whose supervisor was killed is not entered", async () => {
    expect(twice(NAME, "true").code).toBe(0);
    expect(again(NAME, "true").code).toBe(0);
    const [{ supervisor }] = JSON.parse(once("inspect", NAME).out);
    process.kill(supervisor, "SIGKILL");
    for (let i = 0; i < 100 && existsSync(`/proc/${supervisor}/exe`); i++) await Bun.sleep(10);
    expect(again(NAME, "true").code).not.toBe(0);
    expect(once("ps", "--all").code).toBe(0);
    start();
  });
});
