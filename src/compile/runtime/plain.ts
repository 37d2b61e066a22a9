import type { Arch } from "../../kernel/arch.ts";
import { AT, AT_FDCWD, O } from "../../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../../program/builder.ts";
import { encode } from "../../program/encode.ts";
import { asked } from "../../program/frames.ts";
import type { Slot } from "../../program/types.ts";
import { buffer, into, type Loose } from "../../program/values.ts";
import { BUSY_RETRIES } from "../cgroup.ts";
import { writeFile } from "../context.ts";
import { type Lifecycle, RUNTIME_FILES } from "./lifecycle.ts";

const F = RUNTIME_FILES;
const STAT_SIZE = 144;
const INODE_AT = 8;

/**
 * The program that removes all of a container which has ended: `delete` has only to perform it (src/front). One that fails
 * has removed no state yet, so that the engine can find out why.
 */
export function endProgram(arch: Arch, l: Pick<Lifecycle, "directory" | "id">, groups: readonly string[]): Uint8Array {
  const program = new ProgramBuilder(arch);
  const s = program.section("end");
  for (const path of groups)
    s.call(`remove the control group ${path}`, "unlinkat", [AT_FDCWD, path, AT.REMOVEDIR], {
      ignore: ["ENOENT"],
      retries: BUSY_RETRIES,
    });
  const directory = s.get("open the state", "openat", [AT_FDCWD, l.directory, O.PATH | O.DIRECTORY | O.CLOEXEC, 0]);
  for (const file of Object.values(F)) s.call(`remove ${file}`, "unlinkat", [directory, file, 0], { ignore: "all" });
  s.call(`give up the id ${l.id}`, "unlinkat", [AT_FDCWD, l.directory, AT.REMOVEDIR]);
  s.call("close the state", "close", [directory]);
  return asked(encode(program.build(), false));
}

/** What the small commands find a container by: last its first process, and the PID namespace that it is of. */
export function notePlain(s: SectionBuilder, l: Pick<Lifecycle, "directory" | "plain">, pid: Slot, proc: Loose): void {
  const { plain } = l;
  if (!plain) return;
  const at = (file: string) => `${l.directory}/${file}`;
  s.call("point to its control group", "symlinkat", [plain.home, AT_FDCWD, at(F.home)]);
  writeFile(s, "write what its state says", at(F.brief), plain.brief, O.WRONLY | O.CREAT | O.TRUNC);
  const flags = O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC;
  const end = s.get("open the program of its end", "openat", [AT_FDCWD, at(F.end), flags, 0o600]);
  const program = { name: "program of its end", bytes: plain.end, pointers: [] };
  s.call("write the program of its end", "write", [end, program, plain.end.length]);
  const stat = buffer("stat", STAT_SIZE);
  s.call("look at its PID namespace", "newfstatat", [proc, "ns/pid", stat, 0]);
  const note = s.get("open the note", "openat", [AT_FDCWD, at(F.plain), flags, 0o600]);
  const number = buffer("pid", 8);
  s.store(pid, number, 0, 8);
  s.call("note the PID namespace", "write", [note, into(stat, INODE_AT), 8]);
  s.call("note the pid", "write", [note, number, 8]);
  for (const fd of [end, note]) s.call("close it", "close", [fd]);
}
