import { InvalidOptionError } from "../values/errors.ts";

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** Twelve random hexadecimal digits: the last ones of a UUID, of which engines keep random bytes in store. */
export const randomName = (): string => crypto.randomUUID().slice(-12);

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
