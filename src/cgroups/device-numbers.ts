import { statSync } from "node:fs";
import { InvalidOptionError } from "../values/errors.ts";

const major = (dev: number) => (dev >> 8) & 0xfff;
const minor = (dev: number) => (dev & 0xff) | ((dev >> 12) & 0xfff00);

/** "8:0" as it is; "/dev/sda" looked up. `kind`: "b" or "c", as the file must be. */
export function parseDevice(field: string, name: string, kind: "b" | "c"): string {
  if (/^\d+:\d+$/.test(name)) return name;
  const stat = name.startsWith("/") ? statSync(name, { throwIfNoEntry: false }) : undefined;
  const right = kind === "b" ? stat?.isBlockDevice() : stat?.isCharacterDevice();
  if (!stat || !right)
    throw new InvalidOptionError(
      field,
      name,
      `a ${kind === "b" ? "block" : "character"} device: a path such as /dev/${kind === "b" ? "sda" : "null"}, or "major:minor"`,
    );
  return `${major(stat.rdev)}:${minor(stat.rdev)}`;
}
