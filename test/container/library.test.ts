import { afterAll, beforeAll, expect, test } from "bun:test";
import * as caisson from "../../src/index.ts";
import { isRoot, leftovers } from "../helpers/machine.ts";
import { cases } from "./library.suite.ts";

let before: ReturnType<typeof leftovers>;
beforeAll(async () => {
  if (isRoot) await caisson.run(["true"]);
  before = leftovers();
});
for (const [name, body] of Object.entries(cases))
  if (isRoot) test(name, () => body(caisson), 30_000);
  else test.skip(`${name} (skipped: needs root)`, () => {});
afterAll(async () => {
  await new Promise((r) => setTimeout(r, 200));
  expect(leftovers()).toEqual(before);
});
