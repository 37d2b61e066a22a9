import { O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import { addressOf, buffer, high, type Loose, low } from "../../program/values.ts";
import type { Context } from "../context.ts";
import type { Stages } from "../init.ts";
import { openTerminal } from "../terminal.ts";
import { leaveOnlyPreserved, type Numbers } from "./descriptors.ts";
import { runHooks } from "./hooks.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { configureDevices } from "./net-devices.ts";

/** Performed in the host's namespaces, while the first process waits. */
export const earlyHooks = ["prestart", "createRuntime"] as const;

/** The pipes between the runtime and the first process. */
export type Pipes = { readonly ready: Slot; readonly settled: Slot; readonly hooked: Slot | undefined };

export function makePipes(c: Context, s: SectionBuilder): Pipes {
  const pipe = (name: string) => {
    const slot = c.program.slot(name);
    s.call(`make the ${name}`, "pipe2", [addressOf(slot), O.CLOEXEC]);
    return slot;
  };
  const hooks = earlyHooks.some((kind) => c.spec.hooks?.[kind]?.length) || (c.job.netDevices?.length ?? 0) > 0;
  return {
    ready: pipe("pipe of the readiness"),
    settled: pipe("pipe of the settlement"),
    hooked: hooks ? pipe("pipe of the hooks") : undefined,
  };
}

/** What the first process does at the points where others have to be waited for. */
export function stagesOf(
  c: Context,
  l: Lifecycle,
  n: Numbers,
  p: Pipes,
  o: Opened,
  gate: (s: SectionBuilder) => void,
): Stages {
  return {
    named(s) {
      s.call("close the other end", "close", [low(p.ready)]);
      s.call("close the other end", "close", [high(p.settled)]);
      if (!p.hooked) return;
      s.call("close the other end", "close", [high(p.hooked)]);
      s.call("say that the namespaces are there", "write", [high(p.ready), "!", 1]);
      const told = s.get("wait for the runtime's hooks", "read", [low(p.hooked), buffer("one byte", 1), 1]);
      s.skipIf(told, "==", 1, () => s.exit(0));
      s.call("close the pipe", "close", [low(p.hooked)]);
      configureDevices(s, c.job.netDevices ?? []);
    },
    mounted(s) {
      if (!c.spec.hooks?.createContainer?.length) return;
      const pid = s.get("ask for the own pid", "getpid", []);
      runHooks(c, s, l, { kind: "createContainer", status: "creating", pid, said: n.said });
    },
    ...(o.console && { terminal: (s, root) => openTerminal(c, s, root, o.console as Loose) }),
    descriptors(s) {
      for (const [fd, number] of [
        [high(p.ready), n.ready],
        [low(p.settled), n.settled],
        [o.go, n.go],
        [o.done, n.done],
      ] as const)
        s.call(`keep it as ${number}`, "dup3", [fd, number, O.CLOEXEC]);
      // Hooks that come later may still have something to say.
      leaveOnlyPreserved(s, n);
      s.call("close the rest", "close_range", [c.spec.hooks?.startContainer?.length ? n.end : n.said, 0xffffffff, 0]);
      s.call("close the performed file", "close", [n.own]);
    },
    finish: gate,
  };
}
/** The FIFOs, and where the terminal is handed to. */
export type Opened = { readonly go: Slot; readonly done: Slot; readonly console: Loose | undefined };
