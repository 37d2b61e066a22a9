import * as v from "valibot";
import { absolute, uint32 } from "../values/fields.ts";
import { kindPattern, namePattern } from "./names.ts";

// Container Device Interface, SPEC.md up to version 1.1.0.

const text = v.pipe(v.string(), v.minLength(1));

const deviceNode = v.object({
  path: absolute,
  hostPath: v.optional(absolute),
  type: v.optional(v.string()),
  fileMode: v.optional(uint32),
  permissions: v.optional(v.pipe(v.string(), v.regex(/^[rwm]*$/, 'some of "r", "w" and "m"'))),
  uid: v.optional(uint32),
  gid: v.optional(uint32),
});

const mount = v.object({
  hostPath: text,
  containerPath: absolute,
  options: v.optional(v.array(text), []),
  type: v.optional(v.string(), ""),
});

const edits = v.object({
  env: v.optional(v.array(v.pipe(text, v.regex(/^[^=]+=/, 'of the form "NAME=value"'))), []),
  deviceNodes: v.optional(v.array(deviceNode), []),
  mounts: v.optional(v.array(mount), []),
  hooks: v.optional(v.array(v.object({ hookName: text, path: absolute })), []),
  additionalGids: v.optional(v.array(uint32), []),
  netDevices: v.optional(v.array(v.unknown()), []),
  intelRdt: v.optional(v.unknown()),
});

export const cdiSpec = v.object({
  cdiVersion: v.pipe(text, v.regex(/^v?(0\.\d+|1\.[01])\.\d+$/, "a version up to 1.1")),
  kind: v.pipe(text, v.regex(kindPattern, 'of the form "vendor/class"')),
  containerEdits: v.optional(edits),
  devices: v.pipe(
    v.array(
      v.object({
        name: v.pipe(text, v.regex(namePattern, "a name of letters, digits, _, ., : and -")),
        containerEdits: edits,
      }),
    ),
    v.minLength(1, "at least one device"),
  ),
});

export type CdiSpec = v.InferOutput<typeof cdiSpec>;
export type Edits = v.InferOutput<typeof edits>;
export type DeviceNode = v.InferOutput<typeof deviceNode>;
