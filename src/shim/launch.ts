import { errnoName } from "../kernel/errno.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { type Performed, performSteps } from "../program/steps.ts";

/** Steps that the launcher itself performs; an error says which of them failed. */
export async function performed<T>(what: string, write: (s: SectionBuilder) => T): Promise<Performed<T>> {
  const done = await performSteps(write);
  const { failure, program } = done;
  if (!failure) return done;
  const label = program.sections[failure.section]?.steps[failure.step]?.label;
  throw new Error(`${what}: ${label}: ${errnoName(failure.errno)}`);
}
