import type { Rlimit } from "../compile/spec.ts";
import { type RlimitName, rlimitNames } from "../kernel/rlimits.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { ContainerOptions, UlimitValue } from "./options.ts";

const UNLIMITED = -1;

const number = (field: string, v: UlimitValue): number => {
  if (v === "unlimited" || v === UNLIMITED) return UNLIMITED;
  if (!Number.isSafeInteger(v) || v < 0) throw new InvalidOptionError(field, v, 'a whole number, or "unlimited"');
  return v;
};

export function describeUlimits(ulimits: NonNullable<ContainerOptions["ulimits"]>): Rlimit[] {
  return Object.entries(ulimits).map(([name, value]) => {
    const type = `RLIMIT_${name.toUpperCase()}`;
    if (!rlimitNames.includes(type as RlimitName))
      throw new InvalidOptionError(
        "ulimits",
        name,
        `one of ${rlimitNames.map((n) => n.slice(7).toLowerCase()).join(", ")}`,
      );
    const [soft, hard] = (Array.isArray(value) ? value : [value, value]) as [UlimitValue, UlimitValue];
    const limit = { type, soft: number(`ulimits.${name}`, soft), hard: number(`ulimits.${name}`, hard) };
    if (limit.hard !== UNLIMITED && (limit.soft > limit.hard || limit.soft === UNLIMITED))
      throw new InvalidOptionError(`ulimits.${name}`, String(value), "a soft limit up to the hard limit");
    return limit;
  });
}
