import { AT_FDCWD, CLONE, O, P_PIDFD, PR, SEEK_SET, WEXITED } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { POLL, pollFor, timespec } from "../../program/poll.ts";
import type { Block, Slot, Value } from "../../program/types.ts";
import { addressOf, type Loose, low, stringArray, textBlock } from "../../program/values.ts";
import type { Context } from "../context.ts";
import { closeFrom } from "../descriptors.ts";
import { ownEnvironment } from "../own-file.ts";
import { resetSignals } from "../signals.ts";
import type { Hook, HookKind, Spec } from "../spec.ts";
import type { Lifecycle, Warning } from "./lifecycle.ts";

const SIGKILL = 9;
const SIGINFO = 128;
const CLD_EXITED = 1;
const MFD_CLOEXEC = 1;
const PID_HOLE = " ".repeat(20);
/** How a hook ended as the errno of a step that fails: above all errnos. By its status, a signal, or for want of time. */
export const HOOK_STATUS = 1000;
export const HOOK_KILLED = 2000;
export const HOOK_TIMED_OUT = 3000;
export const hasHooks = ({ hooks }: Spec): boolean => Object.values(hooks ?? {}).some((list) => list?.length);

/** "hook createRuntime[0] /usr/bin/x" */
export const HOOK_LABEL = "hook ";

export type HookStatus = "creating" | "created" | "running" | "stopped";

/** The state as hooks get it, with a hole for the pid. runtime.md "State". */
export function stateText(l: Lifecycle, status: HookStatus): { readonly block: Block; readonly pidAt: number } {
  const [before, after] = [
    JSON.stringify({ ociVersion: l.ociVersion, id: l.id, status }).slice(0, -1),
    JSON.stringify({ bundle: l.bundle, annotations: l.annotations }).slice(1),
  ];
  const head = `${before},"pid":`;
  const pid = status === "stopped" ? `0${PID_HOLE.slice(1)}` : PID_HOLE;
  return {
    block: textBlock(`${head}${pid},${after}`, "state of the container"),
    pidAt: new TextEncoder().encode(head).length,
  };
}

/** A file in memory, so that a hook which does not read its standard input holds nobody up. */
function stateFile(s: SectionBuilder, block: Block): Slot {
  const fd = s.program.shared("state for a hook");
  s.call("make a file for the state", "memfd_create", ["state", MFD_CLOEXEC], { result: fd });
  s.call("write the state", "write", [fd, block, block.bytes.length]);
  s.call("go to its beginning", "lseek", [fd, 0, SEEK_SET]);
  return fd;
}

type Heard = {
  readonly said: Loose;
  readonly label: string;
  readonly inherited: readonly string[] | "inherited";
  /** Files that what is printed is appended to instead. */
  readonly files: readonly (string | undefined)[];
  readonly confine: HookRun["confine"];
};

function writeHook(
  s: SectionBuilder,
  hook: Hook,
  state: Slot,
  { said, label, inherited, files, confine }: Heard,
): void {
  s.call("end when the runtime does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  s.call("read the state", "dup3", [state, 0, 0]);
  for (const [i, file] of files.entries()) {
    const flags = O.WRONLY | O.CREAT | O.APPEND | O.CLOEXEC;
    const to = file === undefined ? said : s.get(`open ${file}`, "openat", [AT_FDCWD, file, flags, 0o644]);
    s.call("be heard", "dup3", [to, i + 1, 0]);
  }
  closeFrom(s, 3);
  confine?.(s);
  resetSignals(s);
  const environment = hook.env ?? inherited;
  s.call(`execute ${label}`, "execve", [
    hook.path,
    stringArray("argv", hook.args?.length ? hook.args : [hook.path]),
    environment === "inherited" ? ownEnvironment(s) : stringArray("envp", environment),
  ]);
}

export type HookRun = {
  readonly kind: HookKind;
  readonly status: HookStatus;
  readonly pid: Loose;
  /** What hooks print is written there. */
  readonly said: Loose;
  /** What the hook is confined by before it is executed. */
  readonly confine?: (hook: SectionBuilder) => void;
  /** A failure is only told of, and the next hook is performed. */
  readonly lenient?: boolean;
};

/** Performs the hooks of one kind, one after the other. config.md "POSIX-platform Hooks". */
export function runHooks(c: Context, s: SectionBuilder, l: Lifecycle, run: HookRun): void {
  const hooks = c.spec.hooks?.[run.kind] ?? [];
  if (hooks.length === 0) return;
  const { block, pidAt } = stateText(l, run.status);
  if (run.status !== "stopped") s.format(run.pid, block, pidAt);
  // One that is given none has that of whoever starts it: the runtime's, or inside the container the command's.
  const inherited = (run.kind === "startContainer" ? c.spec.process?.env : l.hooks.environment) ?? [];
  // Inside the container the path would be another one.
  const files = run.kind === "startContainer" ? [undefined, undefined] : l.hooks.files;
  hooks.forEach((hook, i) => {
    const label = `${HOOK_LABEL}${run.kind}[${i}] ${hook.path}`;
    const state = stateFile(s, block);
    const section = c.program.section(label);
    writeHook(section, hook, state, { said: run.said, label, inherited, files, confine: run.confine });
    const pidfd = c.program.slot("pidfd of the hook");
    s.spawn(`start ${label}`, section, { flags: CLONE.PIDFD, pidfd });
    s.call("close the state", "close", [state]);
    const { inTime, how, status } = awaitHook(s, label, hook.timeout, low(pidfd));
    if (run.lenient) {
      s.skipIf(status, "==", 0, () => tell(s, l.warning(`error running ${label}`)));
      return;
    }
    s.check(label);
    s.skipIf(inTime, "!=", 0, () => s.fail(label, HOOK_TIMED_OUT));
    s.skipIf(how, "==", CLD_EXITED, () => s.fail(label, HOOK_KILLED, status));
    s.skipIf(status, "==", 0, () => s.fail(label, HOOK_STATUS, status));
  });
}

/** Waits for the hook alone: the container may end meanwhile, and is somebody else's to reap. */
function awaitHook(s: SectionBuilder, label: string, timeout: number | undefined, pidfd: Value) {
  const fds = pollFor(s, pidfd, POLL.IN);
  const time = timeout === undefined ? 0 : timespec(timeout);
  const inTime = s.get(`wait for ${label}`, "ppoll", [fds, 1, time, 0, 8], { ignore: ["EINTR"] });
  s.skipIf(inTime, "!=", 0, () =>
    s.call("its time is over", "pidfd_send_signal", [pidfd, SIGKILL, 0, 0], { ignore: ["ESRCH"] }),
  );
  const info = Array.from({ length: SIGINFO / 8 }, () => s.program.slot("end of the hook")) as [Slot, Slot, Slot, Slot];
  s.call(`reap ${label}`, "waitid", [P_PIDFD, pidfd, addressOf(info[0]), WEXITED, 0]);
  s.call("close its pidfd", "close", [pidfd]);
  // si_code and si_status of siginfo_t: sigaction(2).
  return { inTime, how: low(info[1]), status: low(info[3]) };
}

/** To the engine's log, or whoever reads standard error. */
function tell(s: SectionBuilder, { line, file }: Warning): void {
  const text = textBlock(line, "warning");
  const flags = O.WRONLY | O.APPEND | O.CREAT | O.CLOEXEC;
  const fd =
    file === undefined ? 2 : s.get("open the log", "openat", [AT_FDCWD, file, flags, 0o644], { ignore: "all" });
  s.call("warn of it", "write", [fd, text, text.bytes.length], { ignore: "all" });
  if (file !== undefined) s.call("close the log", "close", [fd], { ignore: "all" });
}

/** Where what hooks print goes. */
export function openSaid(s: SectionBuilder, at: number): void {
  const fd = s.get("make a file for what hooks print", "memfd_create", ["hooks", MFD_CLOEXEC]);
  s.call("keep it", "dup3", [fd, at, 0]);
  s.call("close it", "close", [fd]);
}
