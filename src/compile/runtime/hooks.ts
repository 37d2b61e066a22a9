import { CLONE, PR, SEEK_SET } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Block, Slot } from "../../program/types.ts";
import { type Loose, low, stringArray, textBlock } from "../../program/values.ts";
import type { Context } from "../context.ts";
import { closeFrom } from "../descriptors.ts";
import { resetSignals, takeAllSignals } from "../signals.ts";
import type { Hook, HookKind } from "../spec.ts";
import type { Lifecycle } from "./lifecycle.ts";

const SIGKILL = 9;
const MFD_CLOEXEC = 1;
const PID_HOLE = " ".repeat(20);
/** A hook's exit status as the errno of a step that fails: above all errnos. The last means that its time was over. */
export const HOOK_STATUS = 1000;
export const HOOK_TIMED_OUT = HOOK_STATUS + 256;
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

function writeHook(s: SectionBuilder, hook: Hook, state: Slot, said: Loose, label: string): void {
  s.call("end when the runtime does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  s.call("read the state", "dup3", [state, 0, 0]);
  for (const fd of [1, 2]) s.call("be heard if it fails", "dup3", [said, fd, 0]);
  closeFrom(s, 3);
  resetSignals(s);
  s.call(`execute ${label}`, "execve", [
    hook.path,
    stringArray("argv", hook.args?.length ? hook.args : [hook.path]),
    stringArray("envp", hook.env ?? []),
  ]);
}

export type HookRun = {
  readonly kind: HookKind;
  readonly status: HookStatus;
  readonly pid: Loose;
  /** What hooks print is written there. */
  readonly said: Loose;
  /** A failure is said by the exit status alone, and the next hook is performed. */
  readonly lenient?: boolean;
};

/** Performs the hooks of one kind, one after the other. config.md "POSIX-platform Hooks". */
export function runHooks(c: Context, s: SectionBuilder, l: Lifecycle, run: HookRun): void {
  const hooks = c.spec.hooks?.[run.kind] ?? [];
  if (hooks.length === 0) return;
  const signals = takeAllSignals(s);
  const { block, pidAt } = stateText(l, run.status);
  if (run.status !== "stopped") s.format(run.pid, block, pidAt);
  hooks.forEach((hook, i) => {
    const label = `${HOOK_LABEL}${run.kind}[${i}] ${hook.path}`;
    const state = stateFile(s, block);
    const section = c.program.section(label);
    writeHook(section, hook, state, run.said, label);
    const pidfd = c.program.slot("pidfd of the hook");
    const pid = s.spawn(`start ${label}`, section, { flags: CLONE.PIDFD, pidfd });
    s.call("close the state", "close", [state]);
    const [code, , timedOut] = s.supervise(`wait for ${label}`, {
      child: pid,
      pidfd: low(pidfd),
      signals,
      timeout: hook.timeout === undefined ? -1 : Math.round(hook.timeout * 1000),
    }) as [Slot, Slot, Slot];
    s.call("close its pidfd", "close", [low(pidfd)]);
    if (run.lenient) return;
    s.check(label);
    s.skipIf(timedOut, "==", 0, () => s.fail(label, HOOK_TIMED_OUT));
    s.skipIf(code, "==", 0, () => s.fail(label, HOOK_STATUS, code));
  });
  s.call("close the signals", "close", [signals]);
}

/** Where what hooks print goes. */
export function openSaid(s: SectionBuilder, at: number): void {
  const fd = s.get("make a file for what hooks print", "memfd_create", ["hooks", MFD_CLOEXEC]);
  s.call("keep it", "dup3", [fd, at, 0]);
  s.call("close it", "close", [fd]);
}
