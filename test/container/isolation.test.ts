import { afterAll, beforeAll, expect, test } from "bun:test";
import * as caisson from "../../src/index.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";
import { cases } from "./isolation.suite.ts";

let before: ReturnType<typeof leftovers>;
beforeAll(async () => {
  if (isRoot) await caisson.run(["true"]);
  before = await settled();
});
for (const [name, body] of Object.entries(cases))
  if (isRoot) test(name, () => body(caisson), 60_000);
  else test.skip(`${name} (skipped: needs root)`, () => {});
afterAll(async () => {
  expect(await settled()).toEqual(before);
});
