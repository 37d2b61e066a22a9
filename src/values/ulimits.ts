import { type RlimitName, rlimitNames } from "../kernel/rlimits.ts";
import { InvalidOptionError } from "./errors.ts";

export type UlimitValue = number | "unlimited";
/** By name without RLIMIT_: `{ nofile: 1024, core: [0, 0] }`. */
export type Ulimits = Readonly<Record<string, UlimitValue | readonly [soft: UlimitValue, hard: UlimitValue]>>;
/** -1 is no limit. */
export type Ulimit = { readonly type: RlimitName; readonly soft: number; readonly hard: number };

const UNLIMITED = -1;

const number = (field: string, v: UlimitValue): number => {
  if (v === "unlimited" || v === UNLIMITED) return UNLIMITED;
  if (!Number.isSafeInteger(v) || v < 0) throw new InvalidOptionError(field, v, 'a whole number, or "unlimited"');
  return v;
};

/** setrlimit(2): the soft limit is what holds, the hard one how far the process may raise it. */
export function parseUlimits(field: string, ulimits: Ulimits): Ulimit[] {
  return Object.entries(ulimits).map(([name, value]) => {
    const type = `RLIMIT_${name.toUpperCase()}` as RlimitName;
    if (!rlimitNames.includes(type))
      throw new InvalidOptionError(
        field,
        name,
        `one of ${rlimitNames.map((n) => n.slice(7).toLowerCase()).join(", ")}`,
      );
    const [soft, hard] = (Array.isArray(value) ? value : [value, value]) as [UlimitValue, UlimitValue];
    const limit = { type, soft: number(`${field}.${name}`, soft), hard: number(`${field}.${name}`, hard) };
    if (limit.hard !== UNLIMITED && (limit.soft > limit.hard || limit.soft === UNLIMITED))
      throw new InvalidOptionError(`${field}.${name}`, String(value), "a soft limit up to the hard limit");
    return limit;
  });
}
