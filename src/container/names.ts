import { InvalidOptionError } from "../values/errors.ts";
import { randomName } from "../values/random-name.ts";

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;

/** The name given, checked, or one at random. */
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
