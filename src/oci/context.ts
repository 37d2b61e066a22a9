import { isCompiled } from "../host/compiled.ts";
import { KEPT_AS } from "../remember/runtime-words.ts";
import type { Log } from "./log.ts";

/** The options that come before the command. */
export type Global = {
  readonly root: string;
  readonly log: Log;
  readonly systemd: boolean;
  /** "auto": no control groups where this user may not make any. */
  readonly rootless: "auto" | "true" | "false";
  readonly criu: string;
  /** This command line, as the words to execute it with. */
  readonly self: readonly string[];
  /** All of its words. */
  readonly words: readonly string[];
};

/** This command line, as the words to execute it with. */
export const ownWords = (): string[] =>
  isCompiled()
    ? /caisson-oci[^/]*$/.test(process.execPath)
      ? [process.execPath]
      : [process.execPath, "oci"]
    : [process.execPath, decodeURIComponent(new URL("../bin/caisson-oci.js", import.meta.url).pathname)];

/** The environment that this process was given: what the front has told the engine (src/front/engine.ts) is not of it. */
export const ownEnvironment = (): NodeJS.ProcessEnv => {
  const { BUN_JSC_useJIT: told, [KEPT_AS]: _, ...env } = process.env;
  return told === undefined || told === "0" ? env : { ...env, BUN_JSC_useJIT: told };
};

/** 255 from exec is its own failure, as with runc: all below may be of the command. */
export const failureStatus = (command: string): number => (command === "exec" ? 255 : 1);

/** What a program becomes to say in words why it failed: see after.ts. */
export const afterWords = (g: Global, fds: { record: number; own: number; said: number }, doing: string): string[] => [
  ...g.self,
  "__after",
  ...[fds.record, fds.own, fds.said].map(String),
  g.log.path ?? "",
  g.log.format,
  doing,
];
