import type { Known } from "../container/state.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { list, pair, type Values } from "./option-table.ts";

/** `statusOf` looks into the container's group: only who asks for a status needs that. */
type Test = (c: Known, statusOf: (c: Known) => string) => boolean;

/** Docker's words for what a container may be chosen by. */
const tests: Readonly<Record<string, (value: string) => Test>> = {
  name: (part) => (c) => c.noted.name.includes(part),
  status: (word) => (c, statusOf) => statusOf(c) === word,
  label: (given) => {
    const [key, value] = given.includes("=") ? pair("--filter label", given) : [given, undefined];
    return ({ noted: { spec } }) => {
      const labels = spec.annotations ?? {};
      return Object.hasOwn(labels, key) && (value === undefined || labels[key] === value);
    };
  },
};

const STATUSES = ["creating", "running", "paused", "exited", "lost"];

/**
 * Whether a container is one of those that --filter asks for: of those that are given for one key any will do, except labels, and all
 * keys must.
 */
export function filterOf(v: Values): Test {
  const asked = list(v, "filter").map((s) => {
    const [key, value] = pair("--filter", s);
    const test = Object.hasOwn(tests, key) ? tests[key] : undefined;
    if (!test) throw new InvalidOptionError("--filter", key, `one of ${Object.keys(tests).join(", ")}`);
    if (key === "status" && !STATUSES.includes(value))
      throw new InvalidOptionError("--filter status", value, `one of ${STATUSES.join(", ")}`);
    return { key, test: test(value) };
  });
  const [labels, others] = [asked.filter((a) => a.key === "label"), asked.filter((a) => a.key !== "label")];
  const keys = [...new Set(others.map((a) => a.key))];
  return (c, statusOf) =>
    labels.every((a) => a.test(c, statusOf)) &&
    keys.every((key) => others.some((a) => a.key === key && a.test(c, statusOf)));
}
