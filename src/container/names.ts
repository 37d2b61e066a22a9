import { randomBytes } from "node:crypto";
import { InvalidOptionError } from "../values/errors.ts";

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** The name given, checked, or twelve random hexadecimal digits as other engines have them. */
export function containerName(name?: string): string {
  if (name === undefined) return randomBytes(6).toString("hex");
  if (!pattern.test(name))
    throw new InvalidOptionError(
      "name",
      name,
      'a name of letters, digits, "_", "." and "-", 128 at most, not beginning with "." or "-"',
    );
  return name;
}
