import { randomBytes } from "node:crypto";
import type { Job } from "../compile/job.ts";
import type { Spec } from "../compile/spec.ts";
import { isSyscallName } from "../seccomp/architectures.ts";
import type { SyscallCall, SyscallHandlers, SyscallReply } from "../seccomp/notify/call.ts";
import type { Answerer } from "../seccomp/notify/listener.ts";
import { asRuled, learning, NOT_THERE, notifying } from "../seccomp/notify/profile.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseDuration } from "../values/units.ts";
import { affinityHandlers } from "./answers/affinity.ts";
import { dateHandlers, dateOffset, dateRules } from "./answers/date.ts";
import { readyNames } from "./answers/names.ts";
import type { ContainerOptions } from "./options.ts";
import { readyHandlers } from "./syscall-handlers.ts";

/** A system call that the container's seccomp rules refused, or killed for. */
export type BlockedSyscall = {
  readonly name: string;
  readonly args: readonly bigint[];
  readonly pid: number;
  readonly action: "refused" | "killed";
};

/** Calls that are answered by this runtime, and what was seen of them. */
export type Answers = {
  /** The spec and the part of the job with which its filter tells of them. */
  apply(spec: Spec): { spec: Spec; notify: NonNullable<Job["notify"]> };
  answererFor(spec: Spec): Answerer;
  readonly blocked: BlockedSyscall[];
  /** Names of the calls that were made, while it is learned. */
  readonly learned: Set<string>;
  /** What handlers threw. */
  readonly failures: Error[];
};

const DEADLINE = "10s";

function check(handlers: SyscallHandlers): void {
  for (const [name, handler] of Object.entries(handlers)) {
    if (!isSyscallName(name))
      throw new InvalidOptionError("onSyscall", name, 'the name of a system call, such as "mknodat"');
    if (typeof handler !== "function") throw new InvalidOptionError(`onSyscall.${name}`, typeof handler, "a function");
  }
}

async function inTime(ms: number, reply: SyscallReply | Promise<SyscallReply>): Promise<SyscallReply> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<SyscallReply>((resolve) => {
    timer = setTimeout(resolve, ms, { errno: "ETIMEDOUT" });
  });
  try {
    return await Promise.race([reply, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** One call that two have an interest in: the first looks, the second answers. */
const both = (first: SyscallHandlers, second: SyscallHandlers): SyscallHandlers =>
  Object.fromEntries(
    Object.entries(second).map(([name, answer]) => [
      name,
      async (call: SyscallCall) => {
        await first[name]?.(call);
        return answer(call);
      },
    ]),
  );

/** What the options ask of system calls. */
export function answersOf(o: ContainerOptions, spec: () => Spec, cpus?: number): Answers {
  for (const name of o.answer ?? [])
    if (!readyNames.includes(name)) throw new InvalidOptionError("answer", name, `one of ${readyNames.join(", ")}`);
  check(o.onSyscall ?? {});
  const ms = parseDuration("syscallDeadline", o.syscallDeadline ?? DEADLINE) * 1000;
  const cookie = randomBytes(8).readBigUInt64LE() | 1n;
  const blocked: BlockedSyscall[] = [];
  const learned = new Set<string>();
  const failures: Error[] = [];
  const mark = randomBytes(8).readBigUInt64LE() | 1n;
  const date = o.date === undefined ? undefined : dateHandlers(dateOffset(o.date), mark);
  const handlers: SyscallHandlers = {
    ...(cpus !== undefined && { ...affinityHandlers(cpus), ...readyHandlers(["sysinfo"], spec) }),
    ...readyHandlers(o.answer ?? [], spec),
    ...o.onSyscall,
    ...(date && { ...date, ...(cpus !== undefined && both(date, affinityHandlers(cpus))) }),
  };
  const ruled = (seccomp: NonNullable<NonNullable<Spec["linux"]>["seccomp"]>): Answerer => ({
    kind: "ask",
    ask: (n, call) => {
      const handler = Object.hasOwn(handlers, n.name) ? handlers[n.name] : undefined;
      if (handler) return inTime(ms, handler(call));
      const reply = asRuled(seccomp, n);
      const killed = typeof reply === "object" && "kill" in reply;
      if (reply !== NOT_THERE)
        blocked.push({ name: n.name, args: n.args, pid: n.pid, action: killed ? "killed" : "refused" });
      return Promise.resolve(reply);
    },
  });
  return {
    blocked,
    learned,
    failures,
    apply(given) {
      const { seccomp } = given.linux ?? {};
      const rules = o.learn
        ? learning(seccomp, cookie)
        : notifying(seccomp, {
            cookie,
            handled: Object.keys(handlers).filter((name) => !date || !Object.hasOwn(date, name)),
            ...(date && { rules: dateRules(mark) }),
            blocked: o.reportBlocked === true,
          });
      return { spec: { ...given, linux: { ...given.linux, seccomp: rules } }, notify: { cookie } };
    },
    answererFor: (given) =>
      o.learn
        ? { kind: "learn", seen: (n) => void learned.add(n.name) }
        : ruled(given.linux?.seccomp ?? { defaultAction: "SCMP_ACT_ALLOW" }),
  };
}
