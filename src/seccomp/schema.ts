import * as v from "valibot";
import { absolute, oneOf, text, texts, uint32, uint64 } from "../values/fields.ts";

const actions = [
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_LOG",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_NOTIFY",
] as const;
const comparisons = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;
const seccompFlags = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
] as const;

const argument = v.object({
  index: v.pipe(
    uint32,
    v.check((n) => n < 6, "an index from 0 to 5"),
  ),
  value: uint64,
  valueTwo: v.optional(uint64),
  op: oneOf(comparisons),
});

const names = v.pipe(texts, v.minLength(1, "at least one name"));
const rule = {
  action: oneOf(actions),
  errnoRet: v.optional(uint32),
  args: v.optional(v.nullable(v.array(argument))),
};
/** Of any machine: an engine lists those that another one has. */
const architecture = v.pipe(text, v.regex(/^SCMP_ARCH_[A-Z0-9_]+$/, "an architecture such as SCMP_ARCH_X86_64"));
const filter = {
  defaultAction: oneOf(actions),
  defaultErrnoRet: v.optional(uint32),
  architectures: v.optional(v.array(architecture)),
  flags: v.optional(v.array(oneOf(seccompFlags))),
  listenerPath: v.optional(absolute),
  listenerMetadata: v.optional(text),
};

/** config-linux.md "Seccomp" */
export const seccomp = v.pipe(
  v.object({ ...filter, syscalls: v.optional(v.array(v.object({ ...rule, names }))) }),
  v.check(
    (s) => s.listenerMetadata === undefined || s.listenerPath !== undefined,
    "metadata for a listener that is given by listenerPath",
  ),
);

const condition = v.optional(
  v.object({
    caps: v.optional(v.nullable(texts)),
    arches: v.optional(v.nullable(texts)),
    minKernel: v.optional(v.pipe(text, v.regex(/^\d+\.\d+$/, "a version of the kernel such as 4.8"))),
  }),
);

/** The format of Docker's and podman's files: the same, with conditions. */
export const engineProfile = v.pipe(
  v.object({
    ...filter,
    archMap: v.optional(
      v.nullable(v.array(v.object({ architecture: text, subArchitectures: v.optional(v.nullable(texts)) }))),
    ),
    syscalls: v.optional(
      v.nullable(
        v.array(
          v.pipe(
            v.object({
              ...rule,
              name: v.optional(text),
              names: v.optional(v.nullable(texts)),
              includes: condition,
              excludes: condition,
            }),
            v.check(
              (r) => (r.name || undefined) === undefined || !r.names?.length,
              "a rule with name or names, not both",
            ),
          ),
        ),
      ),
    ),
  }),
  v.check((p) => !p.archMap?.length || !p.architectures?.length, "a profile with architectures or archMap, not both"),
);

export type EngineProfile = v.InferOutput<typeof engineProfile>;
