import { closeSync, createReadStream, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { findContainer, findExact } from "../container/state.ts";
import { NameError } from "../values/errors.ts";
import { parseCount } from "../values/units.ts";
import type { Values } from "./option-table.ts";

const FOLLOW_MS = 100;
const NEWLINE = 10;
const PIECE = 1 << 16;

/** Where the last lines of a file begin. It is read from its end, piece by piece. */
export function startOfLast(path: string, lines: number): number {
  const fd = openSync(path, "r");
  try {
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
  } finally {
    closeSync(fd);
  }
}

export async function logs(v: Values, name: string): Promise<number> {
  const c = findContainer(name);
  const { log } = c.noted;
  if (!log || !existsSync(log))
    throw new NameError(name, `the container ${c.noted.name} has no log: only detached containers have one`);
  const tail = v["tail"] as string | undefined;
  let at = tail === undefined || tail === "all" ? 0 : startOfLast(log, parseCount("--tail", tail));
  const copy = async () => {
    for await (const chunk of createReadStream(log, { start: at })) {
      process.stdout.write(chunk as Uint8Array);
      at += (chunk as Uint8Array).length;
    }
  };
  await copy();
  while (v["follow"] && findExact(name)?.status === "running") {
    await sleep(FOLLOW_MS);
    await copy();
  }
  await copy();
  return 0;
}
