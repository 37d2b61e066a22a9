import { InvalidOptionError } from "./errors.ts";

/** What a value is to be made of, for callers whom no compiler has told: a guard, and its words. */
export type Shape = { readonly holds: (v: unknown) => boolean; readonly words: string };

export const shape = (words: string, holds: Shape["holds"]): Shape => ({ holds, words });
const isText = (v: unknown): v is string => typeof v === "string" && !v.includes("\0");
const isNumber = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
const isObject = (v: unknown): v is Readonly<Record<string, unknown>> =>
  typeof v === "object" && v !== null && !Array.isArray(v);

export const text = shape("a text without NUL", isText);
export const flag = shape("true or false", (v) => typeof v === "boolean");
export const amount = shape("a number or a text", (v) => isNumber(v) || isText(v));
export const object = shape("an object", isObject);

export const either = (...all: readonly Shape[]): Shape =>
  shape(all.map((s) => s.words).join(", or "), (v) => all.some((s) => s.holds(v)));
export const listOf = (item: Shape): Shape =>
  shape(`a list, each ${item.words}`, (v) => Array.isArray(v) && v.every(item.holds));
export const recordOf = (value: Shape): Shape =>
  shape(
    `an object, each value ${value.words}`,
    (v) => isObject(v) && Object.entries(v).every(([k, x]) => isText(k) && value.holds(x)),
  );
export const whole = (from: number, to: number): Shape =>
  shape(`a whole number from ${from} to ${to}`, (v) => Number.isInteger(v) && Number(v) >= from && Number(v) <= to);

/** An object of these fields and no others, each of which may be missing but for those that are `needed`. */
export function fields(of: Readonly<Record<string, Shape>>, needed: readonly string[] = []): Shape {
  const words = Object.entries(of).map(([name, s]) => `${name}: ${s.words}`);
  return shape(
    `{ ${words.join("; ")} }`,
    (v) =>
      isObject(v) &&
      needed.every((name) => v[name] !== undefined) &&
      Object.entries(v).every(
        ([name, x]) => Object.hasOwn(of, name) && (x === undefined || of[name]?.holds(x) === true),
      ),
  );
}

/** Refuses what is not of this shape. */
export function checkShape(field: string, value: unknown, { holds, words }: Shape): void {
  if (!holds(value)) throw new InvalidOptionError(field, value, words);
}

/** Objects and lists, to any depth, of numbers (Infinity is one), texts, true and false. */
export function tree(words: string): Shape {
  const holds = (v: unknown): boolean =>
    ["number", "string", "boolean", "undefined"].includes(typeof v) ||
    (typeof v === "object" && v !== null && Object.values(v).every(holds));
  return shape(words, holds);
}
