import * as v from "valibot";
import { flag, int64, oneOf, text, uint16, uint32 } from "../../values/fields.ts";

const device = { major: int64, minor: int64 };
const rates = v.optional(v.array(v.object({ ...device, rate: int64 })));
const count = v.optional(int64);

/** config-linux.md "Control groups" */
export const resources = v.object({
  memory: v.optional(
    v.object({
      limit: count,
      reservation: count,
      swap: count,
      kernel: count,
      kernelTCP: count,
      swappiness: count,
      disableOOMKiller: v.optional(flag),
      useHierarchy: v.optional(flag),
      checkBeforeUpdate: v.optional(flag),
    }),
  ),
  cpu: v.optional(
    v.object({
      shares: count,
      quota: count,
      burst: count,
      period: count,
      realtimeRuntime: count,
      realtimePeriod: count,
      cpus: v.optional(text),
      mems: v.optional(text),
      idle: count,
    }),
  ),
  pids: v.optional(v.object({ limit: int64 })),
  blockIO: v.optional(
    v.object({
      weight: v.optional(uint16),
      leafWeight: v.optional(uint16),
      weightDevice: v.optional(v.array(v.object({ ...device, weight: v.optional(uint16) }))),
      throttleReadBpsDevice: rates,
      throttleWriteBpsDevice: rates,
      throttleReadIOPSDevice: rates,
      throttleWriteIOPSDevice: rates,
    }),
  ),
  devices: v.optional(
    v.array(
      v.object({
        allow: flag,
        type: v.optional(oneOf(["a", "b", "c"])),
        major: count,
        minor: count,
        access: v.optional(v.pipe(text, v.regex(/^[rwm]*$/, 'letters of "rwm"'))),
      }),
    ),
  ),
  hugepageLimits: v.optional(
    v.array(v.object({ pageSize: v.pipe(text, v.regex(/^\d+[KMG]B$/, 'a size such as "2MB"')), limit: int64 })),
  ),
  rdma: v.optional(v.record(text, v.object({ hcaHandles: v.optional(uint32), hcaObjects: v.optional(uint32) }))),
  network: v.optional(
    v.object({
      classID: v.optional(uint32),
      priorities: v.optional(v.array(v.object({ name: text, priority: uint32 }))),
    }),
  ),
  unified: v.optional(
    v.record(v.pipe(text, v.regex(/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/, "the name of a file of a control group")), text),
  ),
});
