import { expect, test } from "bun:test";
import { caisson, sh } from "../helpers/command.ts";
import { rounds } from "../helpers/emulated.ts";
import { isRoot, settled } from "../helpers/machine.ts";

const PATIENCE_MS = 10_000;
const ROUNDS = rounds(30);

test.skipIf(!isRoot)(
  "whoever enters a container as it is paused and removed comes to an end, and nothing is left",
  async () => {
    const earlier = await settled();
    for (let i = 0; i < ROUNDS; i++) {
      await sh("run", "-d", "--name", "racing", "--", "sleep", "100");
      const entering = [1, 2, 3].map(() =>
        Bun.spawn([caisson, "exec", "racing", "true"], { stdio: ["ignore", "ignore", "ignore"] }),
      );
      await Bun.sleep(i % 12);
      await sh("pause", "racing");
      await Bun.sleep(i % 5);
      await sh("rm", "-f", "racing");
      const late = Bun.sleep(PATIENCE_MS).then(() => "still there");
      for (const p of entering) expect(await Promise.race([p.exited, late])).not.toBe("still there");
    }
    expect(await settled()).toEqual(earlier);
  },
  120_000,
);

test.skipIf(!isRoot)("a container that is being made is waited for by rm --force, and removed", async () => {
  const earlier = await settled();
  for (let i = 0; i < ROUNDS; i++) {
    const starting = Bun.spawn([caisson, "run", "-d", "--name", "begun", "--", "sleep", "100"], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await Bun.sleep(5 + i);
    expect(await sh("rm", "-f", "begun")).toEqual({ code: 0, out: "", err: "" });
    await starting.exited;
    expect(await sh("rm", "-f", "begun")).toEqual({ code: 0, out: "", err: "" });
  }
  expect(await settled()).toEqual(earlier);
});
