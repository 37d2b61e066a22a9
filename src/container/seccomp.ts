import { safeParse } from "valibot";
import type { Seccomp } from "../compile/spec.ts";
import { type Circumstances, plainProfile } from "../seccomp/engine-profile.ts";
import { engineProfile } from "../seccomp/schema.ts";
import { CaissonError } from "../values/errors.ts";
import { describeIssue } from "../values/fields.ts";

/** Rules for system calls that are no such thing: which field, what it is, what was expected. */
export class SeccompError extends CaissonError {
  override readonly name = "SeccompError";
}

/** By the object and what its conditions are about: a filter is assembled once for each. */
const known = new WeakMap<object, Map<string, Seccomp>>();

/** The rules that a profile of the caller's comes to here. */
export function checkedProfile(given: object, c: Circumstances): Seccomp {
  const of = known.get(given) ?? new Map<string, Seccomp>();
  const key = c.bounding.join();
  let profile = of.get(key);
  if (!profile) {
    const result = safeParse(engineProfile, given, { abortEarly: true });
    if (!result.success) throw new SeccompError(`seccomp: ${describeIssue(result.issues[0], "the profile")}`);
    profile = plainProfile(result.output, c);
    known.set(given, of.set(key, profile));
  }
  return profile;
}

export type CheckProfile = typeof checkedProfile;
