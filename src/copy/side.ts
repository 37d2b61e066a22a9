import { openSync } from "node:fs";
import { openInRoot } from "../compile/context.ts";
import { failureOf } from "../container/failure.ts";
import { idRanges, type MappedRange } from "../host/id-ranges.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import { launcher } from "../program/launcher.ts";
import { performSteps } from "../program/steps.ts";
import { fsPath } from "../values/bytes.ts";
import { isCode } from "../values/code-of.ts";
import { make, makeInside } from "./make.ts";
import type { Copying, Owner } from "./tree.ts";

/** Where something is copied from, or to. */
export type Side = {
  readonly isContainer: boolean;
  /** Opens what leads to a place, to look at it and to what is in it; undefined: it is not there. */
  open(path: string): Promise<number | undefined>;
  make: Copying["make"];
  /** Ids of this side, as this process sees them, and the other way round. */
  seen(ids: Owner): Owner;
  own(seen: Owner): Owner;
  /** Whose things are that are made for nobody in particular. */
  readonly self: Owner;
};

/** That it is not there, nor can be. */
const NONE = ["ENOENT", "ENOTDIR"];
const same = (ids: Owner): Owner => ids;

/** This machine, as the caller sees it. */
export const host = (): Side => ({
  isContainer: false,
  async open(path) {
    try {
      return openSync(fsPath(path), O.PATH);
    } catch (e) {
      if (isCode(e, ...NONE)) return undefined;
      throw e;
    }
  },
  make,
  seen: same,
  own: same,
  self: { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
});

/** The kernel shows what has no number as 65534; so do we. */
const NOBODY = 65534;
function mapped(id: number, ranges: readonly MappedRange[], from: 0 | 1): number {
  const range = ranges.find((r) => id >= r[from] && id < r[from] + r[2]);
  return range ? id - range[from] + range[(1 - from) as 0 | 1] : NOBODY;
}

/**
 * A container's root, as its first process sees it. Links are followed inside it alone, by the kernel: RESOLVE_IN_ROOT of
 * openat2(2), which no JavaScript runtime has, so that the launcher opens, and this process takes it from there. `runs` throws
 * if it has ended: what was opened by its pid may be another's then.
 */
export function container(pid: number, runs: () => void): Side {
  const [uids, gids] = [idRanges(pid, "uid_map"), idRanges(pid, "gid_map")];
  const seen = ({ uid, gid }: Owner) => ({ uid: mapped(uid, uids, 0), gid: mapped(gid, gids, 0) });
  return {
    isContainer: true,
    async open(path) {
      const done = await performSteps((s) => {
        const root = s.get("open the container's root", "openat", [AT_FDCWD, `/proc/${pid}/root`, O.PATH | O.CLOEXEC]);
        const fd = openInRoot(s, root, path, O.PATH, { ignore: NONE });
        s.call("close the container's root", "close", [root]);
        return fd;
      });
      if (done.failure) throw failureOf(done.program, done.failure);
      const fd = done.value(done.made);
      if (fd < 0) return undefined;
      try {
        runs();
        return openSync(`/proc/${launcher().pid}/fd/${fd}`, O.PATH);
      } finally {
        await performSteps((s) => s.call("close it", "close", [fd]));
      }
    },
    make: makeInside(pid),
    seen,
    own: ({ uid, gid }) => ({ uid: mapped(uid, uids, 1), gid: mapped(gid, gids, 1) }),
    self: seen({ uid: 0, gid: 0 }),
  };
}
