import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { howManyLive } from "../compile/living.ts";
import { STATE_FILES } from "../compile/state.ts";
import { statx, wordOf } from "../compile/statx.ts";
import { ensureDirectory } from "../host/places.ts";
import type { Arch } from "../kernel/arch.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import { encode } from "../program/encode.ts";
import { asked, FRAME_HEADER } from "../program/frames.ts";
import { ANY, RESERVED_SLOTS } from "../program/types.ts";
import { addressOf, buffer, high, into, low } from "../program/values.ts";
import { codeOf } from "../values/code-of.ts";
import { check, must, sameNow } from "./conditions.ts";
import { DIRECTORY } from "./places.ts";
import { keepAt } from "./store.ts";

/**
 * What killed supervisors left is removed by who looks for it, which takes an engine. One that has looked writes down here
 * whom it found: as a program, which says whether the same are there, and each is looked after.
 */
const OTHERS = `${DIRECTORY}/others`;
/** With more of them an engine takes no longer. */
const MOST = 64;
/** Links of a directory in which there is none. */
const NONE = 2;

/** The first slot of the program, and where its answer has it. */
const VERDICT_AT = FRAME_HEADER + 8 * RESERVED_SLOTS.length;

export type Other = {
  readonly directory: string;
  readonly status: "creating" | "running" | "exited" | "lost";
};

function othersProgram(arch: Arch, state: string, others: readonly Other[], directories: number): Uint8Array {
  const program = new ProgramBuilder(arch);
  const verdict = program.slot("are all looked after?");
  const s = program.section("other containers");
  const here = statx(s, `look at ${state}`, state);
  must(s, "there are as many as there were", low(wordOf(here, "links")), "==", NONE + directories);
  for (const { directory, status } of others) {
    const path = join(directory, STATE_FILES[status === "running" ? "lock" : "ended"]);
    check(s, [status === "running" ? { kind: "held", path } : sameNow(path)]);
  }
  s.let(verdict, 1);
  return asked(encode(program.build(), false));
}

/**
 * Writes down who was found beside what is about to be started. Whether that is news: then what is kept may be as good as
 * before. Where it cannot be told for later, nothing is there to be read.
 */
export function noteOthers(arch: Arch, state: string, others: readonly Other[]): boolean {
  const directories = readdirSync(state, { withFileTypes: true }).filter((e) => e.isDirectory());
  const containers = directories.filter((e) => !e.name.startsWith("."));
  if (directories.length === 0) return false;
  const settled = others.every((o) => o.status === "running" || o.status === "exited");
  try {
    if (!settled || others.length > MOST || containers.length !== others.length) {
      rmSync(OTHERS, { force: true });
      return true;
    }
    const program = othersProgram(arch, state, others, directories.length);
    if (existsSync(OTHERS) && Buffer.compare(readFileSync(OTHERS), program) === 0) return false;
    ensureDirectory(DIRECTORY);
    keepAt(OTHERS, program);
  } catch (e) {
    // As for all that is kept: where it cannot be written, it is not. Nor where a container has gone meanwhile.
    if (codeOf(e) === undefined) throw e;
  }
  return true;
}

/** A directory and its supervisor do not come and go at one moment. */
const TRIES = 3;

/** Performs `body` unless there are as many supervisors as directories of containers. */
function unlessAllLive(s: SectionBuilder, state: string, body: () => void, tries = TRIES): void {
  const here = statx(s, `look at ${state}`, state);
  must(s, "the state is there", here.result, "==", 0);
  const links = low(wordOf(here, "links"));
  const ifAllLive = s.program.shared("links, if all live");
  s.skipIf(links, "==", NONE, () => {
    s.let(ifAllLive, howManyLive(s), NONE);
    s.skipIf(links, "==", ifAllLive, () => (tries > 1 ? unlessAllLive(s, state, body, tries - 1) : body()));
  });
}

/**
 * Goes on only if no other container is there, or each of those that are there has its supervisor, or all have been seen by an engine, and need
 * none now.
 */
export function mustBeLookedAfter(s: SectionBuilder, state: string): void {
  unlessAllLive(s, state, () => {
    const pipe = s.program.slot("pipe of the answer");
    const answer = buffer("answer", VERDICT_AT + 8);
    s.call("make a pipe for the answer", "pipe2", [addressOf(pipe), O.CLOEXEC]);
    const asks = s.get("open what is known of others", "openat", [
      AT_FDCWD,
      OTHERS,
      O.RDONLY | O.NOFOLLOW | O.CLOEXEC,
      0,
    ]);
    s.serve("ask for them", asks, high(pipe), ANY);
    // Without an answer there would be nobody to wait for.
    s.call("that was all", "close", [high(pipe)]);
    const read = s.get("read the answer", "read", [low(pipe), answer, VERDICT_AT + 8]);
    must(s, "it is an answer", read, "==", VERDICT_AT + 8);
    must(s, "all are looked after", into(answer, VERDICT_AT), "same", "\u0001");
    for (const fd of [asks, low(pipe)]) s.call("close what was for that", "close", [fd]);
  });
}
