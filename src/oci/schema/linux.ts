import * as v from "valibot";
import { MPOL, PER } from "../../kernel/scheduling.ts";
import { seccomp } from "../../seccomp/schema.ts";
import { absolute, absoluteOrEmpty, id, idMap, int64, oneOf, text, texts, uint32 } from "../../values/fields.ts";
import { resources } from "./resources.ts";

const kinds = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"] as const;

const namespaces = v.pipe(
  v.array(
    // What engines leave empty was not given.
    v.pipe(
      v.object({ type: oneOf(kinds), path: v.optional(absoluteOrEmpty) }),
      v.transform(({ type, path }) => ({ type, ...(path && { path }) })),
    ),
  ),
  v.check((list) => new Set(list.map((n) => n.type)).size === list.length, "a list with each type once"),
);

const devices = v.array(
  v.pipe(
    v.object({
      type: oneOf(["c", "b", "u", "p"]),
      path: v.pipe(
        absolute,
        v.transform((p) => p.replace(/(?<=[^/])\/+$/, "")),
      ),
      major: v.optional(int64),
      minor: v.optional(int64),
      fileMode: v.optional(uint32),
      uid: v.optional(id),
      gid: v.optional(id),
    }),
    v.check((d) => d.type === "p" || (d.major !== undefined && d.minor !== undefined), "a device with major and minor"),
  ),
);

/** config-linux.md */
export const linux = v.object({
  namespaces: v.optional(namespaces),
  uidMappings: v.optional(v.array(idMap)),
  gidMappings: v.optional(v.array(idMap)),
  timeOffsets: v.optional(
    v.record(oneOf(["monotonic", "boottime"]), v.object({ secs: v.optional(int64), nanosecs: v.optional(uint32) })),
  ),
  devices: v.optional(devices),
  netDevices: v.optional(v.record(text, v.object({ name: v.optional(text) }))),
  cgroupsPath: v.optional(text),
  resources: v.optional(resources),
  intelRdt: v.optional(
    v.object({
      closID: v.optional(text),
      schemata: v.optional(texts),
      l3CacheSchema: v.optional(text),
      memBwSchema: v.optional(text),
      enableMonitoring: v.optional(v.boolean()),
    }),
  ),
  memoryPolicy: v.optional(
    v.object({
      mode: oneOf(Object.keys(MPOL.modes)),
      nodes: v.optional(text),
      flags: v.optional(v.array(oneOf(Object.keys(MPOL.flags)))),
    }),
  ),
  sysctl: v.optional(v.record(text, text)),
  seccomp: v.optional(seccomp),
  rootfsPropagation: v.optional(
    v.pipe(
      v.union(
        [
          oneOf(["shared", "slave", "private", "unbindable"]),
          oneOf(["rshared", "rslave", "rprivate", "runbindable", ""]),
        ],
        "one of shared, slave, private, unbindable",
      ),
      v.transform((p) => (p === "" ? "private" : p.replace(/^r/, "")) as "shared" | "slave" | "private" | "unbindable"),
    ),
  ),
  maskedPaths: v.optional(v.array(absolute)),
  readonlyPaths: v.optional(v.array(absolute)),
  mountLabel: v.optional(text),
  personality: v.optional(
    v.object({ domain: oneOf(Object.keys(PER)), flags: v.optional(v.pipe(texts, v.maxLength(0, "an empty list"))) }),
  ),
});
