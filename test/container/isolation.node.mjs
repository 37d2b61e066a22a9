// The same cases under Node, against the built library.
import test from "node:test";
import * as caisson from "../../dist/index.js";
import { cases } from "../../dist-test/test/container/isolation.suite.js";

for (const [name, body] of Object.entries(cases))
  test(name, { skip: process.geteuid() === 0 ? false : "needs root", timeout: 60_000 }, () => body(caisson));
