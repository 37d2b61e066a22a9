import { makeGroups } from "../../compile/cgroup.ts";
import type { Context } from "../../compile/context.ts";
import { mountPoint } from "../../compile/mounts.ts";
import { failureOf } from "../../container/failure.ts";
import { AT_FDCWD, CLONE, MS, O, PR } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { performSteps } from "../../program/steps.ts";
import { addressOf, stringArray } from "../../program/values.ts";
import type { Bundle } from "../bundle.ts";
import { describeFiles } from "../describe.ts";
import type { ExternalNamespace } from "./external.ts";

export type Criu = {
  readonly root: string;
  readonly words: readonly string[];
  readonly namespaces: readonly ExternalNamespace[];
  /** Under which numbers criu is given them. */
  readonly firstFd: number;
};

/** As `create` makes them, so that it does not matter whether the root filesystem is the one that was there before. */
function mountPoints(b: Bundle, s: SectionBuilder): void {
  const { directories } = describeFiles(b.spec);
  const flags = O.PATH | O.DIRECTORY | O.CLOEXEC;
  const root = s.get("open the root filesystem", "openat", [AT_FDCWD, b.saved.rootfs, flags, 0]);
  for (const m of b.spec.mounts ?? []) {
    if (/^\/(proc|sys|dev)\//.test(m.destination)) continue;
    const point = mountPoint(s, root, m.destination, { directory: directories[m.source ?? ""] ?? true });
    s.call("close the mount point", "close", [point]);
  }
  s.call("close the root filesystem", "close", [root]);
}

/** criu wants the root to be a mount; that is in a namespace of criu's alone, and gone with it. */
function becomeCriu(b: Bundle, s: SectionBuilder, c: Criu): void {
  s.call("make a mount namespace", "unshare", [CLONE.NEWNS]);
  s.call("keep its mounts from the host", "mount", [0, "/", 0, MS.REC | MS.SLAVE, 0]);
  s.call("mount the root filesystem", "mount", [b.saved.rootfs, c.root, 0, MS.BIND | MS.REC, 0]);
  for (const [i, { path }] of c.namespaces.entries()) {
    const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0]);
    s.call("hand it to criu", "dup3", [fd, c.firstFd + i, 0]);
  }
  // It executes iptables(8) and tar(1).
  const [argv, envp] = [stringArray("argv", c.words), stringArray("envp", [`PATH=${process.env["PATH"] ?? ""}`])];
  s.call(`execute ${c.words[0]}`, "execve", [c.words[0] ?? "", argv, envp]);
}

/**
 * The control groups, and criu as a child of the launcher, which what is restored becomes a child of when criu ends. Gives the exit status; a
 * step that fails is an error.
 */
export async function performCriu(b: Bundle, c: Criu): Promise<number> {
  const done = await performSteps((s, program) => {
    const job = { cgroup: b.groups.plan } as Context["job"];
    s.call("be the parent of what is restored", "prctl", [PR.SET_CHILD_SUBREAPER, 1, 0, 0, 0]);
    const groups = makeGroups({ spec: b.spec, facts: b.facts, job, program }, s);
    for (const fd of [...groups.join, groups.born]) if (fd) s.call("close the control group", "close", [fd]);
    mountPoints(b, s);
    const criu = program.section("criu");
    becomeCriu(b, criu, c);
    const pid = s.spawn("start criu", criu);
    const status = program.slot("wait status");
    s.let(status, 0);
    s.call("wait for criu", "wait4", [pid, addressOf(status), 0, 0]);
    s.check("was criu executed?");
    return status;
  });
  if (done.failure) throw failureOf(done.program, done.failure);
  return done.value(done.made);
}
