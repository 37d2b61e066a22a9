// The same under Node, against the built library.
import test from "node:test";
import { useInThreads } from "../../dist-test/test/container/threads.suite.js";

test("in threads", { skip: process.geteuid() === 0 ? false : "needs root", timeout: 180_000 }, () =>
  useInThreads(new URL("thread.mjs", import.meta.url), new URL("../../dist/index.js", import.meta.url)),
);
