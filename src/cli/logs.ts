import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { findContainer, findExact, type Known } from "../container/state.ts";
import { put } from "../host/output.ts";
import { isCode } from "../values/code-of.ts";
import { NameError } from "../values/errors.ts";
import { parseCount } from "../values/units.ts";
import type { Values } from "./option-table.ts";

const FOLLOW_MS = 100;
const NEWLINE = 10;
const PIECE = 1 << 16;

/** Where the last lines of a file begin. It is read from its end, piece by piece. */
export function startOfLast(fd: number, lines: number): number {
  const { size } = fstatSync(fd);
  if (lines === 0) return size;
  const piece = Buffer.alloc(PIECE);
  let left = lines;
  // Whatever the last byte is, no line begins after it.
  for (let end = size - 1; end > 0; ) {
    const from = Math.max(0, end - PIECE);
    readSync(fd, piece, 0, end - from, from);
    for (let i = end - from - 1; i >= 0; i--) if (piece[i] === NEWLINE && --left === 0) return from + i + 1;
    end = from;
  }
  return 0;
}

/** What there is from a place on goes to standard output. Gives the end of it. */
function copyFrom(fd: number, start: number): number {
  const piece = Buffer.alloc(PIECE);
  let at = start;
  for (let n = -1; n !== 0; at += n) {
    n = readSync(fd, piece, 0, PIECE, at);
    put(1, piece.subarray(0, n));
  }
  return at;
}

function openLog({ noted }: Known): number {
  try {
    if (noted.log) return openSync(noted.log, "r");
  } catch (e) {
    if (!isCode(e, "ENOENT")) throw e;
  }
  throw new NameError(noted.name, `the container ${noted.name} has no log: only detached containers have one`);
}

/** The same one, and not over yet. */
const isAlive = ({ noted, started }: Known): boolean => {
  const now = findExact(noted.name);
  const isOver = now?.status !== "running" && now?.status !== "creating";
  return !isOver && (started === undefined || now.started?.pid === started.pid);
};

export async function logs(v: Values, name: string): Promise<number> {
  const c = findContainer(name);
  // Open from here on: it may be removed while it is followed.
  const fd = openLog(c);
  try {
    const tail = v["tail"] as string | undefined;
    let at = copyFrom(fd, tail === undefined || tail === "all" ? 0 : startOfLast(fd, parseCount("--tail", tail)));
    for (let alive = v["follow"] === true; alive; at = copyFrom(fd, at)) {
      alive = isAlive(c);
      if (alive) await sleep(FOLLOW_MS);
    }
    return 0;
  } finally {
    closeSync(fd);
  }
}
