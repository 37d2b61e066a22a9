import { aarch64, x86_64 } from "./syscalls-64.ts";

/** The architectures that the executor is built for, by the names that uname(2) gives them. */
export type Arch = "x86_64" | "aarch64";

export const hostArch = (): Arch => {
  if (process.arch === "x64") return "x86_64";
  if (process.arch === "arm64") return "aarch64";
  throw new Error(`caisson runs on x86-64 and arm64; this machine is ${process.arch}`);
};

/** Reads a table of syscalls-*.ts. */
export function parseTable(text: string): Map<string, number> {
  const table = new Map<string, number>();
  let next = 0;
  for (const word of text.trim().split(/\s+/)) {
    const n = Number(word);
    if (Number.isInteger(n)) next = n;
    else table.set(word, next++);
  }
  return table;
}

const tables = new Map<Arch, Map<string, number>>();

export function syscallTable(arch: Arch): Map<string, number> {
  let table = tables.get(arch);
  if (!table) {
    table = parseTable(arch === "x86_64" ? x86_64 : aarch64);
    tables.set(arch, table);
  }
  return table;
}

export function syscallNumber(arch: Arch, name: string): number {
  const n = syscallTable(arch).get(name);
  if (n === undefined) throw new RangeError(`no system call ${JSON.stringify(name)} on ${arch}`);
  return n;
}
