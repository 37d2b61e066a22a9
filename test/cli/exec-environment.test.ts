import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { container } from "../../src/index.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const name = `exec-env-${process.pid}`;
const shown = (...words: string[]) =>
  sh("exec", ...words, name, "perl", "-e", 'print map { "$_=$ENV{$_}\n" } qw(A B HOME)');

describe.skipIf(!isRoot)("what another command in a container has of its environment", () => {
  beforeAll(async () => {
    const started = await sh(
      "run",
      "-d",
      "--rm",
      "--name",
      name,
      "-e",
      "A=old",
      "--workdir",
      "/",
      "--",
      "sleep",
      "100",
    );
    expect(started.err).toBe("");
  });
  afterAll(async () => {
    await sh("kill", name);
  });

  test("what is given is in the place of what was there", async () => {
    expect((await shown()).out).toBe("A=old\nB=\nHOME=/root\n");
    expect((await shown("-e", "A=new", "-e", "B=x=y")).out).toBe("A=new\nB=x=y\nHOME=/root\n");
    // A name that the caller has nothing of is not set.
    expect((await shown("-e", "CAISSON_TEST_NONE", "-e", "B=")).out).toBe("A=old\nB=\nHOME=/root\n");
  });

  test("its host's name is in it, where that is its own", async () => {
    expect((await sh("exec", name, "printenv", "HOSTNAME")).out).toBe(`${name}\n`);
    expect((await sh("run", "-h", "box", "--", "printenv", "HOSTNAME")).out).toBe("box\n");
    expect((await sh("run", "--uts", "host", "--", "printenv", "HOSTNAME")).code).toBe(1);
  });

  test("what cannot be a variable or a directory of it is refused", async () => {
    const refused = async (said: string, ...words: string[]) =>
      expect(await sh("exec", ...words, name, "true")).toMatchObject({ code: 125, err: expect.stringContaining(said) });
    await refused('--env: "" is not', "-e", "");
    await refused('--env: "=x" is not', "-e", "=x");
    for (const path of ["", "relative"]) await refused(`workdir: "${path}" is not an absolute path`, "-w", path);
    const box = await container({ workdir: "/" });
    try {
      const run = (o: object) => box.run(["true"], o);
      expect(run({ workdir: "relative" })).rejects.toThrow('workdir: "relative" is not an absolute path');
      for (const wrong of ["", "A=B", "A\0"])
        expect(run({ env: { [wrong]: "" } })).rejects.toThrow("of one letter at least");
    } finally {
      await box.dispose();
    }
  });

  test("another user has a home of his own, if none was chosen", async () => {
    expect((await shown("--user", "nobody")).out).toBe("A=old\nB=\nHOME=/nonexistent\n");
    expect((await shown("--user", "nobody", "-e", "HOME=/here")).out).toBe("A=old\nB=\nHOME=/here\n");
  });

  test("by the library, too", async () => {
    const box = await container({ env: { A: "old" }, workdir: "/" });
    try {
      const run = async (o: object) => (await box.run(["sh", "-c", "echo $A $HOME"], o)).stdout;
      expect(await run({ env: { A: "new" } })).toBe("new /root\n");
      expect(await run({ user: "nobody" })).toBe("old /nonexistent\n");
    } finally {
      await box.dispose();
    }
  });
});
