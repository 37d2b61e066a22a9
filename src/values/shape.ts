import { InvalidOptionError } from "./errors.ts";

/** What a value is to be made of, for callers whom no compiler has told: a guard, its words, and what is in it. */
export type Shape = {
  readonly words: string;
  readonly holds: (v: unknown) => boolean;
  /** What must hold of what is in such a value, by name; undefined for what is no such value at all. */
  readonly parts?: (v: unknown) => readonly Part[] | undefined;
};
type Part = readonly [name: string, value: unknown, shape: Shape];

export const shape = (words: string, holds: Shape["holds"]): Shape => ({ holds, words });
const made = (words: string, parts: NonNullable<Shape["parts"]>): Shape => ({
  words,
  parts,
  holds: (v) => parts(v)?.every(([, value, of]) => of.holds(value)) ?? false,
});
const isText = (v: unknown): v is string => typeof v === "string" && !v.includes("\0");
const isNumber = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
const isObject = (v: unknown): v is Readonly<Record<string, unknown>> =>
  typeof v === "object" && v !== null && !Array.isArray(v);

export const text = shape("a text without NUL", isText);
export const flag = shape("true or false", (v) => typeof v === "boolean");
export const amount = shape("a number or a text", (v) => isNumber(v) || isText(v));
export const object = shape("an object", isObject);

export const either = (...all: readonly Shape[]): Shape => ({
  words: all.map((s) => s.words).join(", or "),
  holds: (v) => all.some((s) => s.holds(v)),
  parts: (v) => {
    const [only, ...others] = all.flatMap((s) => [s.parts?.(v) ?? []].filter((parts) => parts.length));
    // Of several that it could be it is not known which was meant.
    return others.length ? undefined : only;
  },
});
export const listOf = (item: Shape): Shape =>
  made(`a list, each ${item.words}`, (v) =>
    Array.isArray(v) ? v.map((x: unknown, i) => [String(i), x, item] as const) : undefined,
  );
export const recordOf = (value: Shape, name: Shape = shape("without NUL", isText)): Shape => {
  const none = shape(`a name ${name.words}`, () => false);
  return made(`an object, each value ${value.words}`, (v) =>
    isObject(v) ? Object.entries(v).map(([key, x]) => [key, x, name.holds(key) ? value : none] as const) : undefined,
  );
};
export const whole = (from: number, to: number): Shape =>
  shape(`a whole number from ${from} to ${to}`, (v) => Number.isInteger(v) && Number(v) >= from && Number(v) <= to);

/** An object of these fields and no others, each of which may be missing but for those that are `needed`. */
export function fields(of: Readonly<Record<string, Shape>>, needed: readonly string[] = []): Shape {
  const names = Object.keys(of);
  const unknown = shape(`one of ${names.join(", ")}`, () => false);
  return made(
    `{ ${Object.entries(of)
      .map(([name, s]) => `${name}: ${s.words}`)
      .join("; ")} }`,
    (v) => {
      if (!isObject(v)) return undefined;
      const given = Object.entries(v).filter(([, x]) => x !== undefined);
      return [
        ...given.map(([name, x]) =>
          Object.hasOwn(of, name) ? ([name, x, of[name] as Shape] as const) : (["", name, unknown] as const),
        ),
        ...needed.filter((name) => v[name] === undefined).map((name) => [name, undefined, of[name] as Shape] as const),
      ];
    },
  );
}

/** Refuses what is not of this shape, by the name of what is wrong in it. */
export function checkShape(field: string, value: unknown, { holds, words, parts }: Shape): void {
  if (holds(value)) return;
  const wrong = parts?.(value)?.find(([, x, of]) => !of.holds(x));
  if (wrong) checkShape(wrong[0] === "" ? field : `${field}.${wrong[0]}`, wrong[1], wrong[2]);
  throw new InvalidOptionError(field, value, words);
}

/** Deeper than anything that means something, and not for ever: an object may have itself in it. */
const DEEPEST = 16;

/** Objects and lists of numbers (Infinity is one), texts, true and false. */
export function tree(words: string): Shape {
  const holds = (v: unknown, depth: number): boolean => {
    if (typeof v !== "object") return ["number", "string", "boolean", "undefined"].includes(typeof v);
    return v !== null && depth < DEEPEST && Object.values(v).every((x) => holds(x, depth + 1));
  };
  return shape(words, (v) => holds(v, 0));
}
