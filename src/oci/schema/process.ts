import * as v from "valibot";
import { rlimitNames } from "../../kernel/rlimits.ts";
import { IOPRIO, policies, schedulerFlags } from "../../kernel/scheduling.ts";
import { absolute, flag, id, int32, oneOf, text, texts, uint16, uint32, uint64, words } from "../../values/fields.ts";

const cpuList = v.pipe(text, v.regex(/^(\d+(-\d+)?(,\d+(-\d+)?)*)?$/, 'a list of CPUs such as "0-3,7"'));

const rlimits = v.pipe(
  v.array(
    v.pipe(
      v.object({ type: oneOf(rlimitNames), soft: uint64, hard: uint64 }),
      v.check((r) => r.soft <= r.hard, "a soft limit that is not above the hard one"),
    ),
  ),
  v.check((list) => new Set(list.map((r) => r.type)).size === list.length, "a list with each type once"),
);

/** config.md "Process" */
export const process = v.object({
  terminal: v.optional(flag),
  consoleSize: v.optional(v.object({ height: uint16, width: uint16 })),
  cwd: absolute,
  env: v.optional(texts),
  args: words,
  user: v.optional(
    v.object({
      uid: v.optional(id, 0),
      gid: v.optional(id, 0),
      umask: v.optional(uint32),
      additionalGids: v.optional(v.array(id)),
    }),
    { uid: 0, gid: 0 },
  ),
  capabilities: v.optional(
    v.object({
      bounding: v.optional(texts),
      effective: v.optional(texts),
      inheritable: v.optional(texts),
      permitted: v.optional(texts),
      ambient: v.optional(texts),
    }),
  ),
  rlimits: v.optional(rlimits),
  noNewPrivileges: v.optional(flag),
  apparmorProfile: v.optional(text),
  selinuxLabel: v.optional(text),
  oomScoreAdj: v.optional(
    v.pipe(
      int32,
      v.check((n) => n >= -1000 && n <= 1000, "a number from -1000 to 1000"),
    ),
  ),
  ioPriority: v.optional(
    v.object({
      class: oneOf(Object.keys(IOPRIO.classes)),
      priority: v.optional(
        v.pipe(
          int32,
          v.check((n) => n >= 0 && n <= 7, "a number from 0 to 7"),
        ),
      ),
    }),
  ),
  scheduler: v.optional(
    v.object({
      policy: oneOf(Object.keys(policies)),
      nice: v.optional(
        v.pipe(
          int32,
          v.check((n) => n >= -20 && n <= 19, "a number from -20 to 19"),
        ),
      ),
      priority: v.optional(int32),
      flags: v.optional(v.array(oneOf(Object.keys(schedulerFlags)))),
      runtime: v.optional(uint64),
      deadline: v.optional(uint64),
      period: v.optional(uint64),
    }),
  ),
  execCPUAffinity: v.optional(v.object({ initial: v.optional(cpuList), final: v.optional(cpuList) })),
});

const hooks = v.optional(
  v.array(
    v.object({
      path: absolute,
      args: v.optional(texts),
      env: v.optional(texts),
      timeout: v.optional(
        v.pipe(
          int32,
          v.check((n) => n > 0, "a number of seconds above 0"),
        ),
      ),
    }),
  ),
);

/** config.md "POSIX-platform Hooks" */
export const allHooks = v.object({
  prestart: hooks,
  createRuntime: hooks,
  createContainer: hooks,
  startContainer: hooks,
  poststart: hooks,
  poststop: hooks,
});
