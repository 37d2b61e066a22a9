import { CLONE, KEYCTL_JOIN_SESSION_KEYRING, O, PR } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { buffer, high, low } from "../program/values.ts";
import { awaitLoopback, type Beside, isAt, joinBeside } from "./beside.ts";
import { enterGroups } from "./cgroup.ts";
import { executeCommand } from "./command.ts";
import { letUsersEnter } from "./confine.ts";
import { type Context, isNew, namespaceOf } from "./context.ts";
import { keepCapabilities, setRlimits, takeIdentity } from "./credentials.ts";
import { closeFrom, FD } from "./descriptors.ts";
import { addDevices, openDevices } from "./devices.ts";
import { showFiles } from "./files.ts";
import { workingDirectory } from "./here.ts";
import { limitPaths } from "./landlock.ts";
import { loopbackUp } from "./loopback.ts";
import { confinePaths } from "./masks.ts";
import { mountOptions } from "./mount-options.ts";
import { addMount, isMounted, makeFilesystem, mountPoint, openSources, sealMounts } from "./mounts.ts";
import { setNames } from "./names.ts";
import { hasOwnQueues, makeOwnTime, needsEntering } from "./namespaces.ts";
import { keepListenerSocket } from "./notify.ts";
import { adjustOwnOom } from "./oom.ts";
import type { Opened } from "./opener.ts";
import { endIfOrphaned } from "./orphan.ts";
import { labelKeyrings, setMemoryPolicy, setPersonality, setScheduling, takeLabels } from "./process.ts";
import { assembleRoot, attachRoot, changeRoot, enterGivenRoot, enterTop, sealRoot, separateMounts } from "./rootfs.ts";
import { loadSeccomp } from "./seccomp.ts";
import { resetSignals, takeAllSignals } from "./signals.ts";
import { enterSpare } from "./spare.ts";
import type { Process } from "./spec.ts";
import { setSysctls } from "./sysctl.ts";
import { openTerminal } from "./terminal.ts";

const SIGKILL = 9;

/** What the supervisor made for its child before it was born. */
export type Inherited = {
  readonly groups: readonly Slot[];
  readonly leaf: Slot | undefined;
  readonly ready: Slot;
  readonly mapped: Slot | undefined;
  readonly linked?: Slot | undefined;
  readonly terminal: Slot | undefined;
  readonly stdio: readonly (number | undefined)[];
  /** The root filesystem, put together outside. */
  readonly assembled?: Slot | undefined;
  readonly warm: boolean;
  readonly notify?: boolean;
  /** Mounts made outside, where there is the right to. */
  readonly opened?: Opened;
  /** The network namespace is made meanwhile. */
  readonly beside?: Beside;
  readonly stages?: Stages;
};

/** What an engine's container does besides: it waits for hooks, and for its start. */
export type Stages = {
  /** The namespaces are made, the host's files are still in sight. */
  named(s: SectionBuilder): void;
  /** All is mounted; the root is not changed yet. */
  mounted(s: SectionBuilder): void;
  /** Hands the master side of the terminal to whoever is to have it. */
  readonly terminal?: (s: SectionBuilder, root: Slot) => void;
  /** Keeps what is still needed, and closes the rest. */
  descriptors(s: SectionBuilder): void;
  finish(s: SectionBuilder): void;
};

/** The container's first process, from its birth to its command. The order is the reason for most of what works. */
export function writeInit(c: Context, s: SectionBuilder, payload: SectionBuilder | undefined, i: Inherited): void {
  s.call("end when the supervisor does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  s.call("leave the caller's session", "setsid", [], { ignore: ["EPERM"] });
  if (!needsEntering(c.spec) && !i.mapped) adjustOwnOom(c, s);
  enterGroups(s, i.groups);
  makeOwnTime(c, s);
  if (i.mapped) awaitIdMaps(s, i.mapped);
  if (hasOwnQueues(c.spec)) s.call("make the IPC namespace", "unshare", [CLONE.NEWIPC]);
  if (isNew(c.spec, "cgroup")) s.call("make the cgroup namespace", "unshare", [CLONE.NEWCGROUP]);
  if (i.leaf !== undefined) enterGroups(s, [i.leaf]);
  setNames(c, s);
  if (i.linked) awaitByte(s, i.linked, "the network");
  enterSpare(c, s);
  if (!i.beside && !c.job.spare) loopbackUp(c, s);
  c.parts?.network?.configureNetwork(c, s);
  s.call("clear the umask", "umask", [0]);
  i.stages?.named(s);
  if (c.job.root.kind === "joined") s.call("go to the top", "chdir", ["/"]);
  else if (namespaceOf(c.spec, "mount")) mountAll(c, s, i);
  else if (c.spec.root) enterGivenRoot(c, s);
  i.stdio.forEach((fd, n) => {
    if (fd !== undefined && !i.terminal) s.call(`make it file descriptor ${n}`, "dup3", [fd, n, 0]);
  });
  if (i.stages) i.stages.descriptors(s);
  else keepDescriptors(s, i);
  setPersonality(c.spec, s);
  setMemoryPolicy(c.spec, s);
  if (!c.job.sharedKeyring) {
    if (c.spec.process) labelKeyrings(c.spec.process, s);
    s.call("have a session keyring of its own", "keyctl", [KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0], {
      ignore: ["ENOSYS", "EPERM", "EDQUOT"],
    });
  }
  if (i.stages) i.stages.finish(s);
  else if (payload) beInit(c, s, payload);
  else if (c.job.idle) beIdle(c, s);
  else writePayload(c, s);
}

function mountAll(c: Context, s: SectionBuilder, i: Inherited): void {
  const late = i.beside?.late;
  // While they are the host's still: what is bound is to be a peer or a slave of its source, where that is asked for.
  const sources = openSources(c, s, i.opened?.mounts, late);
  if (isNew(c.spec, "mount")) separateMounts(c, s);
  const nodes = openDevices(c, s, i.opened?.nodes);
  const root = i.assembled ? attachRoot(c, s, i.assembled) : assembleRoot(c, s);
  for (const mount of c.spec.mounts ?? []) {
    if (mount === late) continue;
    addMount(c, s, root, mount, sources.get(mount));
    if (mount.destination === "/" && !mountOptions(mount).remount) enterTop(c, s, root, i.assembled !== undefined);
    if (mount.destination === "/dev") addDevices(c, s, root, nodes);
  }
  if (!isMounted(c.spec, "/dev")) addDevices(c, s, root, nodes);
  if (c.job.workdir !== undefined) {
    const point = mountPoint(s, root, c.job.workdir, { directory: true, what: "the working directory" });
    s.call("close the working directory", "close", [point]);
  }
  showFiles(c, s, root, i.assembled !== undefined);
  i.stages?.mounted(s);
  const finish = () => {
    setSysctls(c, s, root);
    if (i.terminal) openTerminal(c, s, root, high(i.terminal));
    i.stages?.terminal?.(s, root);
    // Not before the terminal has its place in /dev.
    sealMounts(c, s, root);
    confinePaths(c, s, root, (path) => !isAt(late, path));
  };
  if (!i.beside) {
    changeRoot(c, s, root);
    finish();
  } else mountLate(c, s, root, i.beside, finish);
  sealRoot(c, s, root);
}

/** To detach the host's root waits for all processors (RCU), one of which is the supervisor's: it goes when the supervisor is done. */
function mountLate(c: Context, s: SectionBuilder, root: Slot, b: Beside, meanwhile: () => void): void {
  changeRoot(c, s, root, () => {
    meanwhile();
    joinBeside(s, b);
  });
  addMount(c, s, root, b.late, makeFilesystem(s, b.late, mountOptions(b.late)));
  confinePaths(c, s, root, (path) => isAt(b.late, path));
  awaitLoopback(s, b);
}

function keepDescriptors(s: SectionBuilder, i: Inherited): void {
  s.call("keep the supervisor's pipe", "dup3", [high(i.ready), FD.READY, O.CLOEXEC]);
  if (i.warm)
    for (const n of [0, 1]) s.call("keep the pipes of what comes", "dup3", [FD.WAITING + n, FD.WARM + n, O.CLOEXEC]);
  // Before the first path of the command is looked up: no descriptor of the host's may be there to go through.
  if (i.notify) keepListenerSocket(s, i.warm);
  else closeFrom(s, i.warm ? FD.WARM + 2 : FD.READY + 1);
}

function awaitByte(s: SectionBuilder, pipe: Slot, what: string): void {
  s.call("close the other end", "close", [high(pipe)]);
  s.call(`wait for ${what}`, "read", [low(pipe), buffer("one byte", 1), 1]);
  s.call("close the pipe", "close", [low(pipe)]);
}

/** The supervisor maps ids from outside, and says so with a byte. */
function awaitIdMaps(s: SectionBuilder, mapped: Slot): void {
  awaitByte(s, mapped, "the id maps");
  s.call("become group 0 of the user namespace", "setresgid", [0, 0, 0]);
  s.call("become user 0 of the user namespace", "setresuid", [0, 0, 0]);
}

export const lastRights = (s: SectionBuilder) =>
  // Until the next exec no process of the container may trace this one or open its /proc files (prctl(2)).
  s.call("be closed to ptrace", "prctl", [PR.SET_DUMPABLE, 0, 0, 0, 0]);

/** --init: the executor stays as the first process, reaps, and passes signals on to the command. */
function beInit(c: Context, s: SectionBuilder, payload: SectionBuilder): void {
  lastRights(s);
  const signals = takeAllSignals(s);
  const pidfd = s.program.slot("pidfd of the command");
  const pid = s.spawn("start the command", payload, { flags: CLONE.PIDFD, pidfd: pidfd });
  // What it still does is to reap, and to signal a command that may be another user's.
  keepCapabilities(s, ["CAP_KILL"]);
  letUsersEnter(c, s);
  s.call("leave the pipe to the command", "close", [FD.READY]);
  const results = s.supervise("reap, and wait for the command", { child: pid, pidfd: low(pidfd), signals });
  s.exit(results[0] as Slot);
}

/** No command: reap whoever is started here later, until told to end. */
function beIdle(c: Context, s: SectionBuilder): void {
  lastRights(s);
  keepCapabilities(s, []);
  const signals = takeAllSignals(s);
  letUsersEnter(c, s);
  endIfOrphaned(s, FD.READY);
  s.call("say that the container is there", "close", [FD.READY]);
  const results = s.supervise("reap until told to end", { child: -1, pidfd: -1, signals });
  s.exit(results[0] as Slot);
}

/** The last steps: become who the command is to be, give up what it may not have, and execute it. */
export function writePayload(c: Context, s: SectionBuilder): void {
  if (c.job.warm) {
    lastRights(s);
    endIfOrphaned(s, FD.READY);
    s.call("say that the container is there", "close", [FD.READY]);
    s.serve("perform what comes", FD.WARM, FD.WARM + 1);
    return;
  }
  finishProcess(c, s, FD.READY);
}

/** What exec'd processes and pool runs share with a start. `pipe`: one that the supervisor has the other end of. */
export function finishProcess(c: Context, s: SectionBuilder, pipe: number): void {
  const { process } = c.spec;
  if (!process) return;
  becomeUser(c, process, s);
  // To become another user undoes it: prctl(2).
  s.call("still end when the supervisor does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  endIfOrphaned(s, pipe);
  execute(c, process, s);
}

/**
 * Up to where a filter may forbid what is still to come. `filtered`: what is to be done as soon as one is in force.
 * `entered`: not negative if this process was born in its working directory.
 */
export function becomeUser(
  c: Context,
  process: Process,
  s: SectionBuilder,
  { filtered = () => {}, entered }: { readonly filtered?: () => void; readonly entered?: Slot | undefined } = {},
): void {
  setRlimits(process, s);
  setScheduling(process, s);
  // Without no_new_privs a filter needs CAP_SYS_ADMIN, so it must come before that is given up.
  if (!process.noNewPrivileges) loadSeccomp(c, s);
  filtered();
  // A directory may be closed to the user, or be open to nobody but the user (in a file system of another's): either will do.
  const { path, label } = workingDirectory(c, process);
  const first = s.get(label, "chdir", [path], { ignore: ["EACCES", "EPERM"] });
  takeIdentity(c, process, s);
  const again = () => void s.call(label, "chdir", [path]);
  s.skipIf(first, "==", 0, () => (entered ? s.skipIf(entered, ">", -1, again) : again()));
  s.call("set the umask", "umask", [process.user.umask ?? 0o022]);
}

/** What holds from the next execution on. `listening`: the filter is in force already. */
export function confineProcess(c: Context, process: Process, s: SectionBuilder, listening: boolean): void {
  takeLabels(process, s);
  if (!process.noNewPrivileges) return;
  s.call("never gain privileges again", "prctl", [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
  limitPaths(c, s);
  if (!listening) loadSeccomp(c, s);
}

export function execute(c: Context, process: Process, s: SectionBuilder, listening = false): void {
  confineProcess(c, process, s, listening);
  lastRights(s);
  resetSignals(s);
  executeCommand(process, s);
}
