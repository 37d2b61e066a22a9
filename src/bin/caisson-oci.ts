#!/usr/bin/env node
import { basename } from "node:path";
import { givenWords } from "../host/given.ts";

/** One file, two names: as containerd's shim it is installed by a link of that name. */
const SHIM = "containerd-shim-caisson-v2";
const words = givenWords();

async function main(): Promise<number> {
  const named = basename(process.argv0) === SHIM;
  if (!named && words[0] !== "__shim") return (await import("../oci/main.ts")).ociMain(words);
  const [{ shimMain }, { ownWords }] = await Promise.all([import("../shim/main.ts"), import("../oci/context.ts")]);
  return shimMain([...ownWords(), "__shim"], named ? words : words.slice(1));
}

void main().then((code) => {
  process.exitCode = code;
});
