import { AT_FDCWD, O } from "../kernel/flags.ts";
import { cpuMask, IOPRIO, MPOL, PER, policies, schedulerFlags } from "../kernel/scheduling.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block } from "../program/types.ts";
import { struct } from "../program/values.ts";
import { openInRoot, writeText } from "./context.ts";
import type { Process, Scheduler, Spec } from "./spec.ts";

/** Attributes of the first process that are no limits and no rights. The OCI layer has checked their words. */

/** struct sched_attr of sched_setattr(2). */
function schedulerAttributes(w: Scheduler): Block {
  const SIZE = 48;
  const flags = (w.flags ?? []).reduce((bits, f) => bits | (schedulerFlags[f] ?? 0), 0);
  return struct("sched_attr", [
    [4, SIZE],
    [4, policies[w.policy] ?? 0],
    [8, flags],
    [4, w.nice ?? 0],
    [4, w.priority ?? 0],
    [8, w.runtime ?? 0],
    [8, w.deadline ?? 0],
    [8, w.period ?? 0],
  ]);
}

export function setScheduling(process: Process, s: SectionBuilder): void {
  const { scheduler, ioPriority } = process;
  if (scheduler) s.call(`be scheduled by ${scheduler.policy}`, "sched_setattr", [0, schedulerAttributes(scheduler), 0]);
  if (ioPriority) {
    const value = ((IOPRIO.classes[ioPriority.class] ?? 0) << IOPRIO.CLASS_SHIFT) | (ioPriority.priority ?? 0);
    s.call(`have the I/O priority ${ioPriority.class}`, "ioprio_set", [IOPRIO.WHO_PROCESS, 0, value]);
  }
}

/** A list of CPUs as sched_setaffinity(2) takes it. */
export function setAffinity(s: SectionBuilder, cpus: string | undefined): void {
  if (!cpus) return;
  const bytes = cpuMask(cpus);
  s.call(`run on the CPUs ${cpus}`, "sched_setaffinity", [0, bytes.length, { name: "CPU set", bytes, pointers: [] }]);
}

/** Whoever starts containers may itself be kept on some CPUs; a container has those of its group. The kernel leaves out what there is not. */
export function resetAffinity(s: SectionBuilder): void {
  const bytes = new Uint8Array(MOST_CPUS / 8).fill(0xff);
  s.call("run on any CPU", "sched_setaffinity", [0, bytes.length, { name: "all CPUs", bytes, pointers: [] }], {
    ignore: ["EINVAL", "EPERM"],
  });
}
/** CONFIG_NR_CPUS at most. */
const MOST_CPUS = 8192;

export function setPersonality(spec: Spec, s: SectionBuilder): void {
  const { personality } = spec.linux ?? {};
  if (personality) s.call(`have the personality ${personality.domain}`, "personality", [PER[personality.domain] ?? 0]);
}

/** set_mempolicy(2): the mode and its flags in one word, the nodes as a bit mask. */
export function setMemoryPolicy(spec: Spec, s: SectionBuilder): void {
  const { memoryPolicy } = spec.linux ?? {};
  if (!memoryPolicy) return;
  const mode = (memoryPolicy.flags ?? []).reduce(
    (m, f) => m | (MPOL.flags[f] ?? 0),
    MPOL.modes[memoryPolicy.mode] ?? 0,
  );
  const bytes = cpuMask(memoryPolicy.nodes ?? "");
  const mask = memoryPolicy.nodes ? { name: "nodes", bytes, pointers: [] } : 0;
  s.call(`have the memory policy ${memoryPolicy.mode}`, "set_mempolicy", [
    mode,
    mask,
    memoryPolicy.nodes ? 8 * bytes.length + 1 : 0,
  ]);
}

type Label = readonly [path: string, text: string];

/** Through the container's own procfs, which was just mounted. */
function writeLabels(s: SectionBuilder, what: string, labels: readonly Label[]): void {
  if (labels.length === 0) return;
  const root = s.get("open the top", "openat", [AT_FDCWD, "/", O.PATH | O.CLOEXEC, 0]);
  for (const [path, text] of labels) {
    const fd = openInRoot(s, root, path, O.WRONLY);
    writeText(s, `${what} ${text}`, fd, text);
    s.call(`close ${path}`, "close", [fd]);
  }
  s.call("close the top", "close", [root]);
}

/** Labels that the security modules give to the command. */
export function takeLabels({ apparmorProfile, selinuxLabel }: Process, s: SectionBuilder): void {
  const labels: Label[] = [];
  if (apparmorProfile) labels.push(["/proc/self/attr/apparmor/exec", `exec ${apparmorProfile}`]);
  if (selinuxLabel) labels.push(["/proc/self/attr/exec", selinuxLabel]);
  writeLabels(s, "be labelled", labels);
}

/** The command could not use a keyring that has its maker's label. An execution ends this (selinux_bprm_creds_for_exec). */
export function labelKeyrings({ selinuxLabel }: Process, s: SectionBuilder): void {
  if (selinuxLabel) writeLabels(s, "label keyrings", [["/proc/self/attr/keycreate", selinuxLabel]]);
}
