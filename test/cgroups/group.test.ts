import { afterAll, beforeAll, expect, test } from "bun:test";
import * as caisson from "../../src/index.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";
import { cases as felt } from "./felt.suite.ts";
import { cases } from "./group.suite.ts";

let before: ReturnType<typeof leftovers>;
beforeAll(async () => {
  if (isRoot) await caisson.run(["true"]);
  // Where systemd runs, the first group brings the scope, which stays.
  if (isRoot) await (await caisson.ControlGroup.create(`test-${process.pid}`)).remove();
  before = await settled();
});
let n = 0;
for (const [title, body] of Object.entries({ ...cases, ...felt }))
  if (isRoot)
    test(
      title,
      () =>
        body({
          c: caisson,
          name: `test-${process.pid}-${n++}`,
          skip: (reason) => console.log(`skipped: ${title}: ${reason}`),
        }),
      60_000,
    );
  else test.skip(`${title} (skipped: needs root)`, () => {});
afterAll(async () => {
  expect(await settled()).toEqual(before);
});
