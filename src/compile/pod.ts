import type { HostFacts } from "../host/facts.ts";
import { AT, AT_FDCWD, CLONE, MNT_DETACH, O, P_PIDFD, PR, WEXITED } from "../kernel/flags.ts";
import { cloneArgs, ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import type { Program, Slot } from "../program/types.ts";
import { addressOf, buffer, high, low } from "../program/values.ts";
import { endChild, openProc } from "./child.ts";
import { type Context, writeFile, writeText } from "./context.ts";
import type { Job } from "./job.ts";
import { loopbackUp } from "./loopback.ts";
import { attach, cloneTree } from "./mounts.ts";
import { setNames } from "./names.ts";
import { cloneFlag } from "./namespaces.ts";
import { configureNetwork, connectNetwork, disconnectNetwork } from "./network.ts";
import { POD_FILE } from "./pod-file.ts";
import type { NamespaceKind, Spec } from "./spec.ts";
import { setSysctls } from "./sysctl.ts";
import { writeIdMaps } from "./users.ts";

const SIGKILL = 9;

/** What a namespace is called in /proc/PID/ns comes with the plan: it is a fact of the kernel, not of a pod. */
export type PodPlan = {
  readonly directory: string;
  /** What is noted of it, in the same directory. */
  readonly json: string;
  readonly keep: readonly { readonly kind: NamespaceKind; readonly file: string }[];
};

/** The first process of the namespaces: it sets them up, stays until they are kept, and ends. */
function writeHolder(
  c: Context,
  s: SectionBuilder,
  pipes: { mapped: Slot; linked: Slot; ready: Slot; kept: Slot },
): void {
  const wait = (pipe: Slot, what: string) => {
    s.call("close the other end", "close", [high(pipe)]);
    s.call(`wait for ${what}`, "read", [low(pipe), buffer("one byte", 1), 1]);
    s.call("close the pipe", "close", [low(pipe)]);
  };
  s.call("end when the maker does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  wait(pipes.mapped, "the id maps");
  setNames(c, s);
  wait(pipes.linked, "the network");
  loopbackUp(c, s);
  configureNetwork(c, s);
  const root = s.get("open the top", "openat", [AT_FDCWD, "/", O.PATH | O.CLOEXEC, 0]);
  setSysctls(c, s, root);
  s.call("close the top", "close", [root]);
  s.call("close the other end", "close", [low(pipes.ready)]);
  writeText(s, "say that all is set", high(pipes.ready), "!");
  wait(pipes.kept, "the namespaces to be kept");
  s.exit(0);
}

/**
 * Namespaces that live as files (nsfs, namespaces(7)), with no process kept: what /proc/PID/ns shows is bound to a file
 * while the process is there, and then it may end.
 */
export function compilePod(spec: Spec, facts: HostFacts, job: Job, plan: PodPlan): Program {
  const program = new ProgramBuilder(facts.arch);
  const c: Context = { spec, facts, job, program };
  const s = program.section("pod");
  const holder = program.section("holder of the namespaces");
  const undo = program.section("undo");
  s.onFail = undo;
  const pipe = (what: string): Slot => {
    const slot = program.slot(`pipe of ${what}`);
    s.call(`make the pipe of ${what}`, "pipe2", [addressOf(slot), O.CLOEXEC]);
    return slot;
  };
  const made = s.get(`take the name ${job.name}`, "mkdirat", [AT_FDCWD, plan.directory, 0o700]);
  const pipes = {
    mapped: pipe("the id maps"),
    linked: pipe("the network"),
    ready: pipe("its answer"),
    kept: pipe("the end"),
  };
  const begun = program.slot("the network's begin");
  const pidfd = program.slot("pidfd of the holder");
  const flags = plan.keep.reduce((bits, { kind }) => bits | BigInt(cloneFlag[kind]), BigInt(CLONE.PIDFD));
  const pid = s.spawn("start the holder of the namespaces", holder, cloneArgs({ flags, pidfd }));
  writeHolder(c, holder, pipes);
  s.call("close the holder's end", "close", [high(pipes.ready)]);
  const users = plan.keep.some((k) => k.kind === "user");
  if (users) writeIdMaps(c, s, pid);
  writeText(s, "say that ids are mapped", high(pipes.mapped), "!");
  connectNetwork(c, s, pid, begun);
  writeText(s, "say that the network is there", high(pipes.linked), "!");
  s.call("wait for the holder", "read", [low(pipes.ready), buffer("one byte", 1), 1]);
  s.check("are the namespaces set up?");
  const proc = openProc(s, pid);
  for (const { kind, file } of plan.keep) {
    const target = `${plan.directory}/${kind}`;
    const fd = s.get(`make ${target}`, "openat", [AT_FDCWD, target, O.RDONLY | O.CREAT | O.EXCL | O.CLOEXEC, 0o600]);
    const tree = cloneTree(s, `open its ${kind} namespace`, proc, `ns/${file}`);
    attach(s, `keep the ${kind} namespace at ${target}`, tree, fd);
    for (const n of [tree, fd]) s.call(`close ${target}`, "close", [n]);
  }
  s.call("close its proc directory", "close", [proc]);
  writeFile(s, "note the pod", `${plan.directory}/${POD_FILE}`, plan.json, O.WRONLY | O.CREAT | O.EXCL);
  writeText(s, "say that all is kept", high(pipes.kept), "!");
  s.call("reap the holder", "waitid", [P_PIDFD, low(pidfd), 0, WEXITED, 0]);
  for (const p of [
    low(pipes.mapped),
    high(pipes.mapped),
    low(pipes.linked),
    high(pipes.linked),
    low(pipes.ready),
    low(pipes.kept),
    high(pipes.kept),
    low(pidfd),
  ])
    s.call("close what was for that", "close", [p]);

  endChild(undo, "the holder", low(pidfd));
  disconnectNetwork(c, undo, begun);
  undo.skipIf(made, "!=", 0, () => removeKept(undo, plan));
  for (const p of Object.values(pipes))
    for (const end of [low(p), high(p)]) undo.call("close a pipe", "close", [end], { ignore: "all" });
  return program.build();
}

/** Also what `pod rm` does: whoever is in the namespaces keeps them alive. */
export function removeKept(s: SectionBuilder, plan: Pick<PodPlan, "directory" | "keep">): void {
  const all = { ignore: "all" } as const;
  for (const { kind } of plan.keep) {
    s.call(`let the ${kind} namespace go`, "umount2", [`${plan.directory}/${kind}`, MNT_DETACH], all);
    s.call(`remove ${kind}`, "unlinkat", [AT_FDCWD, `${plan.directory}/${kind}`, 0], all);
  }
  s.call(`remove ${POD_FILE}`, "unlinkat", [AT_FDCWD, `${plan.directory}/${POD_FILE}`, 0], all);
  s.call("give up the name", "unlinkat", [AT_FDCWD, plan.directory, AT.REMOVEDIR], all);
}
