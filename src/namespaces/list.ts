import { readdirSync, readlinkSync } from "node:fs";
import type { NamespaceKind } from "../compile/spec.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import { performSteps } from "../program/steps.ts";
import type { Slot } from "../program/types.ts";
import { addressOf } from "../program/values.ts";
import { isCode } from "../values/code-of.ts";
import { namespaceKinds, procNames } from "./kinds.ts";

/** A namespace that some process is in. */
export type FoundNamespace = {
  readonly kind: NamespaceKind;
  readonly inode: number;
  readonly processes: readonly number[];
  /** The user namespace that has the rights over it. */
  readonly owner?: number;
  /** Of the kinds that are within each other, pid and user: the one around it. */
  readonly parent?: number;
};

/** Processes end while they are looked at, and others may not be looked into. */
const vanished = ["ENOENT", "ESRCH", "EACCES", "EPERM"];

function inodeOf(pid: string, kind: NamespaceKind): number | undefined {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${procNames[kind]}`))?.[1]);
  } catch (e) {
    if (isCode(e, ...vanished)) return undefined;
    throw e;
  }
}

/** linux/nsfs.h */
const NS_GET_USERNS = 0xb701;
const NS_GET_PARENT = 0xb702;
const STAT_WORDS = 18;
const INODE_WORD = 1;

/** How many are asked of in one program: each takes slots. */
const AT_ONCE = 64;

type Asked = { readonly owner: Slot; readonly parent?: Slot };

/** Who owns each, and is around it: ioctl_ns(2). What is the first of its kind, or out of our sight, has none. */
async function relations(list: readonly FoundNamespace[]): Promise<FoundNamespace[]> {
  const done = await performSteps((s, program) => {
    const stat = Array.from({ length: STAT_WORDS }, (_, i) => program.slot(`stat ${i}`));
    return list.map((n): Asked => {
      const path = `/proc/${n.processes[0]}/ns/${procNames[n.kind]}`;
      const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0], { ignore: "all" });
      const ask = (request: number, what: string): Slot => {
        const inode = program.slot(`inode of its ${what}`);
        s.let(inode, 0);
        const other = s.get(`ask for its ${what}`, "ioctl", [fd, request, 0], { ignore: "all" });
        s.skipIf(other, "<", 0, () => {
          s.call("look at it", "fstat", [other, addressOf(stat[0] as Slot)]);
          s.let(inode, stat[INODE_WORD] as Slot);
          s.call("close it", "close", [other]);
        });
        return inode;
      };
      const owner = ask(NS_GET_USERNS, "owner");
      const parent = n.kind === "pid" || n.kind === "user" ? ask(NS_GET_PARENT, "parent") : undefined;
      s.call("close it", "close", [fd], { ignore: "all" });
      return { owner, ...(parent && { parent }) };
    });
  });
  const inode = (slot: Slot | undefined) => (slot ? done.value(slot) >>> 0 : 0);
  return list.map((n, i) => {
    const [owner, parent] = [inode(done.made[i]?.owner), inode(done.made[i]?.parent)];
    return { ...n, ...(owner > 0 && n.kind !== "user" && { owner }), ...(parent > 0 && { parent }) };
  });
}

/** All namespaces of the machine that some process is in and that the caller may see. */
export async function listNamespaces(): Promise<FoundNamespace[]> {
  const found = new Map<string, { kind: NamespaceKind; inode: number; processes: number[] }>();
  for (const pid of readdirSync("/proc").filter((n) => /^\d+$/.test(n)))
    for (const kind of namespaceKinds) {
      const inode = inodeOf(pid, kind);
      if (inode === undefined) continue;
      const key = `${kind} ${inode}`;
      const known = found.get(key) ?? { kind, inode, processes: [] };
      known.processes.push(Number(pid));
      found.set(key, known);
    }
  const list = [...found.values()];
  const parts = Array.from({ length: Math.ceil(list.length / AT_ONCE) }, (_, i) =>
    list.slice(i * AT_ONCE, (i + 1) * AT_ONCE),
  );
  const all: FoundNamespace[] = [];
  for (const part of parts) all.push(...(await relations(part)));
  return all;
}
