// The same cases under Node, against the built library.
import test from "node:test";
import * as caisson from "../../dist/index.js";
import { cases as felt } from "../../dist-test/test/cgroups/felt.suite.js";
import { cases } from "../../dist-test/test/cgroups/group.suite.js";

let n = 0;
for (const [title, body] of Object.entries({ ...cases, ...felt }))
  test(title, { skip: process.geteuid() === 0 ? false : "needs root", timeout: 60_000 }, (t) =>
    body({ c: caisson, name: `node-${process.pid}-${n++}`, skip: (reason) => t.skip(reason) }),
  );
