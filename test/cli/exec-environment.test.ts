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
