import { expect, test } from "bun:test";
import { randomName } from "../../src/values/random-name.ts";

test("a name at random has twelve hexadecimal digits, and a letter among them", () => {
  for (let i = 0; i < 5000; i++) expect(randomName()).toMatch(/^(?=.*[a-f])[0-9a-f]{12}$/);
});
