import { expect, test } from "bun:test";
import {
  amount,
  checkShape,
  either,
  fields,
  flag,
  listOf,
  recordOf,
  text,
  tree,
  whole,
} from "../../src/values/shape.ts";

const volume = fields({ source: text, readOnly: flag, options: listOf(text) }, ["source"]);
const volumes = recordOf(either(text, volume));

test("what holds is taken", () => {
  for (const value of [{}, { "/a": "/b" }, { "/a": { source: "/b", readOnly: undefined, options: ["x"] } }])
    checkShape("volumes", value, volumes);
  checkShape("n", 3, whole(0, 3));
  checkShape("limits", { a: [1, "x", true, { b: Number.POSITIVE_INFINITY }] }, tree("a tree"));
});

test.each([
  [null, "volumes: null is not an object, each value"],
  [[], "volumes: [] is not an object, each value"],
  [{ "/a": 1 }, "volumes./a: 1 is not a text without NUL, or { source: "],
  [{ "/a": { source: 1 } }, "volumes./a.source: 1 is not a text without NUL"],
  [{ "/a": {} }, "volumes./a.source: undefined is not a text without NUL"],
  [{ "/a": { source: "/b", options: ["x", 2n] } }, "volumes./a.options.1: 2 is not a text without NUL"],
  [{ "/a": { source: "/b", mode: "ro" } }, 'volumes./a: "mode" is not one of source, readOnly, options'],
  [{ "\0": "/b" }, "is not a name without NUL"],
])("%p is refused by the name of what is wrong in it", (value, message) => {
  expect(() => checkShape("volumes", value, volumes)).toThrow(message);
});

test("numbers, choices and trees", () => {
  expect(() => checkShape("n", 1.5, whole(0, 3))).toThrow("n: 1.5 is not a whole number from 0 to 3");
  expect(() => checkShape("a", Number.NaN, amount)).toThrow("a: NaN is not a number or a text");
  const two = either(fields({ a: text }, ["a"]), fields({ b: text }, ["b"]));
  expect(() => checkShape("n", { c: 1 }, two)).toThrow('n: {"c":1} is not { a: a text without NUL }, or { b:');
  for (const value of [null, { a: null }, { a: [() => 0] }, 1n])
    expect(() => checkShape("limits", value, tree("a tree"))).toThrow("is not a tree");
});
