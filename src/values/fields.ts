import * as v from "valibot";

/** What the fields of configurations are made of. Unknown properties are passed over (OCI spec.md "Extensibility"). */

export const text = v.string();
export const flag = v.boolean();
export const texts = v.array(
  v.pipe(
    text,
    v.check((t) => !t.includes("\0"), "a text without NUL"),
  ),
);

/** One or more, none of them with NUL. */
export const words = v.pipe(texts, v.minLength(1, "a list with at least one entry"));

const isAbsolute = (p: string) => p.startsWith("/") && !p.includes("\0");
export const absolute = v.pipe(text, v.check(isAbsolute, "an absolute path"));
export const absoluteOrEmpty = v.pipe(
  text,
  v.check((p) => p === "" || isAbsolute(p), "an absolute path"),
);
export const path = v.pipe(
  text,
  v.check((p) => p !== "" && !p.includes("\0"), "a path"),
);

const within = (low: number, high: number, what: string) =>
  v.pipe(
    v.number(),
    v.check((n) => Number.isInteger(n) && n >= low && n <= high, what),
  );
const UINT32 = 2 ** 32 - 1;
const INT64 = 2 ** 63;
const UINT64 = 2 ** 64;
export const uint32 = within(0, UINT32, `a whole number from 0 to ${UINT32}`);
/** -1 is an id that no process can have (setresuid(2) takes it for "leave as it is"). */
export const id = within(0, UINT32 - 1, `an id from 0 to ${UINT32 - 1}`);
export const int32 = within(-(2 ** 31), 2 ** 31 - 1, "a whole number of 32 bits");
export const uint16 = within(0, 65535, "a whole number from 0 to 65535");

/** Whole numbers of 64 bits come as text where JavaScript's numbers are not exact: see parseExact. */
const EXACT = /^exact:(-?\d+)$/;
export const uint64 = v.pipe(
  v.union([v.number(), v.bigint(), v.pipe(text, v.regex(EXACT, "a whole number"))], "a whole number of 64 bits"),
  v.transform((n) => (typeof n === "string" ? BigInt(EXACT.exec(n)?.[1] ?? 0) : n)),
  v.check(
    (n) => (typeof n === "bigint" || Number.isInteger(n)) && n >= 0 && n <= UINT64,
    "a whole number from 0 to 2^64 - 1",
  ),
);

/** The same with a sign; what a double holds of it is enough for sizes. */
export const int64 = v.pipe(
  v.union([v.number(), v.pipe(text, v.regex(EXACT, "a whole number"))], "a whole number of 64 bits"),
  v.transform((n) => (typeof n === "number" ? n : Number(EXACT.exec(n)?.[1]))),
  v.check((n) => Number.isInteger(n) && n >= -INT64 && n <= INT64, "a whole number of 64 bits"),
);

export const oneOf = <const T extends readonly string[]>(names: T) => v.picklist(names, `one of ${names.join(", ")}`);

export const idMap = v.object({ containerID: uint32, hostID: uint32, size: uint32 });

/** Which field, what it is, what was expected. `whole`: what has no name of its own. */
export function describeIssue(issue: v.BaseIssue<unknown>, whole: string): string {
  const path = issue.path?.map((p) => String(p.key)).join(".") || whole;
  const { input } = issue;
  if (input === undefined) return `${path}: required, but missing`;
  const plain = (_: string, x: unknown) => (typeof x === "bigint" ? String(x) : x);
  const value = (JSON.stringify(input, plain) ?? String(input)).slice(0, 200);
  const expected =
    issue.kind === "schema" && issue.type !== "picklist" && issue.type !== "union" ? issue.expected : issue.message;
  return `${path}: ${value} is not ${expected}`;
}
