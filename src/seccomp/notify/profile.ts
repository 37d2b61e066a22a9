import { withHandOut } from "../../compile/notify.ts";
import type { Seccomp, SeccompAction, SeccompRule } from "../../compile/spec.ts";
import { errnoName } from "../../kernel/errno.ts";
import { architectures } from "../architectures.ts";
import { decide } from "../decide.ts";
import { unknownFrom } from "../unknown.ts";
import type { Notification, SyscallReply } from "./call.ts";

const EPERM = 1;
/** What is answered to a call that a profile does not know of: it is no refusal. */
export const NOT_THERE: SyscallReply = { errno: "ENOSYS" };

const kills = (a: SeccompAction) =>
  a === "SCMP_ACT_KILL" || a === "SCMP_ACT_KILL_PROCESS" || a === "SCMP_ACT_KILL_THREAD";
const NOTIFY = "SCMP_ACT_NOTIFY";

/** Refusals that are meant as such: "this call is not there" (ENOSYS) is a hint for C libraries. */
const refuses = (action: SeccompAction, errno: number | undefined) =>
  kills(action) || (action === "SCMP_ACT_ERRNO" && (errno ?? EPERM) === EPERM);

const everything: Seccomp = { defaultAction: "SCMP_ACT_ALLOW" };

/** The rules of a container some of whose calls are answered here. */
export function notifying(
  seccomp: Seccomp | undefined,
  o: {
    readonly cookie: bigint;
    readonly handled: readonly string[];
    readonly blocked: boolean;
    readonly rules?: readonly SeccompRule[];
  },
): Seccomp {
  const base = seccomp ?? everything;
  const handled: SeccompRule[] = o.handled.length ? [{ names: o.handled, action: NOTIFY }] : [];
  const told = (rule: SeccompRule): SeccompRule =>
    o.blocked && refuses(rule.action, rule.errnoRet)
      ? { names: rule.names, action: NOTIFY, ...(rule.args && { args: rule.args }) }
      : rule;
  const byDefault = o.blocked && refuses(base.defaultAction, base.defaultErrnoRet) ? NOTIFY : base.defaultAction;
  return withHandOut(
    {
      ...(base.architectures && { architectures: base.architectures }),
      ...(base.flags && { flags: base.flags }),
      ...(byDefault === base.defaultAction &&
        base.defaultErrnoRet !== undefined && { defaultErrnoRet: base.defaultErrnoRet }),
      defaultAction: byDefault,
      syscalls: [...(o.rules ?? []), ...handled, ...(base.syscalls ?? []).map(told)],
    },
    o.cookie,
  );
}

/** Every call is told of, and let through: to learn which there are. */
export const learning = (seccomp: Seccomp | undefined, cookie: bigint): Seccomp =>
  withHandOut(
    { defaultAction: NOTIFY, ...(seccomp?.architectures && { architectures: seccomp.architectures }) },
    cookie,
  );

/** What the rules say of a call that was told of though nobody handles it. */
export function asRuled(seccomp: Seccomp, n: Notification): SyscallReply {
  const arch = architectures.find((a) => a.audit === n.arch);
  if (arch && n.nr >= unknownFrom(seccomp, arch)) return NOT_THERE;
  const { action, errno } = decide(seccomp, n.name, n.args);
  if (kills(action)) return { kill: "SIGSYS" };
  return { errno: errnoName(errno ?? EPERM) as `E${string}` };
}
