import * as v from "valibot";
import { flag, idMap, path, text, texts } from "../../values/fields.ts";
import { linux } from "./linux.ts";
import { allHooks, process } from "./process.ts";

const mount = v.object({
  destination: path,
  type: v.optional(text),
  source: v.optional(text),
  options: v.optional(texts),
  uidMappings: v.optional(v.array(idMap)),
  gidMappings: v.optional(v.array(idMap)),
});

const name = v.pipe(
  text,
  v.check((n) => new TextEncoder().encode(n).length <= 64 && !n.includes("\0"), "a name of 64 bytes at most"),
);

/** Semantic versions of which this build knows the major one. */
const version = v.pipe(
  text,
  v.regex(/^\d+\.\d+\.\d+([-+].*)?$/, "a version such as 1.3.0"),
  v.regex(/^1\./, "version 1"),
);

/** config.md */
export const spec = v.object({
  ociVersion: version,
  root: v.optional(v.object({ path, readonly: v.optional(flag) })),
  mounts: v.optional(v.array(mount)),
  process: v.optional(process),
  hostname: v.optional(name),
  domainname: v.optional(name),
  hooks: v.optional(allHooks),
  annotations: v.optional(v.record(v.pipe(text, v.nonEmpty("a key")), text)),
  linux: v.optional(linux, {}),
});
