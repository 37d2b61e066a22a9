import type { Program } from "../program/types.ts";
import { environment } from "../program/values.ts";
import { nameOf } from "./environment-words.ts";
import { type Hole, withBefore } from "./holes.ts";

const POINTER = 8;

/** What a program is compiled with in place of a value. */
const standInFor = (name: string): string => `what is given for ${name} each time`;
const stringOf = (name: string): string => `${name}=${standInFor(name)}`;

/** The environment that a program is compiled with which has these values given each time. */
export const withStandIns = (env: readonly string[], names: readonly string[]): string[] =>
  env.map((string) => (names.includes(nameOf(string)) ? stringOf(nameOf(string)) : string));

/** What is noted of it: its supervisor is executed with the others. */
export const withoutGiven = (env: readonly string[], names: readonly string[]): string[] =>
  env.filter((string) => !names.includes(nameOf(string)));

/** Where the environment of a command has a string. execve(2), execveat(2). */
function placesIn(program: Program, text: string): Hole[] {
  const calls = program.sections.flatMap((s) => s.steps).filter((step) => step.op === "call");
  const arrays = calls.flatMap(({ call, args }) => {
    const envp = call === "execve" ? args[2] : call === "execveat" ? args[3] : undefined;
    return typeof envp === "object" && envp.kind === "block" ? [envp.block] : [];
  });
  return [...new Set(arrays)].flatMap((block) =>
    block.pointers.flatMap(({ at, to }) => (to.kind === "text" && to.text === text ? [{ block, at }] : [])),
  );
}

/**
 * The same program, but for the values of these names the command has the strings of the environment that the program itself is executed with,
 * in their order.
 */
export const withGivenEnvironment = (program: Program, names: readonly string[]): Program =>
  withBefore(program, (s) => {
    for (const [i, name] of names.entries())
      for (const { block, at } of placesIn(program, stringOf(name))) s.store(environment(i), block, at, POINTER);
  });

/** Whether a program, as it is encoded, has these values nowhere else. */
export function isOfEnvironmentAlone(encoded: Uint8Array, names: readonly string[]): boolean {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length);
  return names.every((name) => {
    const at = bytes.indexOf(standInFor(name));
    return at >= 0 && at === bytes.lastIndexOf(standInFor(name));
  });
}
