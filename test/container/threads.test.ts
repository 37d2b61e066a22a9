import { expect, test } from "bun:test";
import { isEmulated } from "../helpers/emulated.ts";
import { isRoot, settled } from "../helpers/machine.ts";
import { useInThreads } from "./threads.suite.ts";

const why = !isRoot ? "needs root" : isEmulated ? "nothing of it depends on the machine" : "";
test.skipIf(why !== "")(
  `in threads${why && ` (skipped: ${why})`}`,
  async () => {
    const before = await settled();
    await useInThreads(new URL("thread.mjs", import.meta.url), new URL("../../src/index.ts", import.meta.url));
    expect(await settled()).toEqual(before);
  },
  180_000,
);
