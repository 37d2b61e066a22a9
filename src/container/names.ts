import { InvalidOptionError } from "../values/errors.ts";

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

const NAME_BYTES = 6;

/** Twelve random hexadecimal digits. */
export const randomName = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(NAME_BYTES)), (b) => b.toString(16).padStart(2, "0")).join("");

/** The name given, checked, or twelve random hexadecimal digits as other engines have them. */
export function containerName(name?: string): string {
  if (name === undefined) return randomName();
  if (!pattern.test(name))
    throw new InvalidOptionError(
      "name",
      name,
      'a name of letters, digits, "_", "." and "-", 128 at most, not beginning with "." or "-"',
    );
  return name;
}
