import { InvalidOptionError } from "../../values/errors.ts";
import { parseDuration } from "../../values/units.ts";
import {
  type Controller,
  type Files,
  present,
  readNested,
  readNumber,
  refuse,
  type Write,
  write,
} from "../controller.ts";
import { parseDevice } from "../device-numbers.ts";
import { parseOperations, parseRate, parseWeight } from "../parse.ts";

type Loose = number | string;
/** Source: cgroup-v2 "IO Interface Files"; cgroup-v1 "blkio-controller". */
export type IoInput = {
  /** Share of the device against siblings: 1 to 10000, 100 is the default. Needs the BFQ scheduler or io.cost. */
  readonly weight?: Loose;
  /** By "/dev/sda" or "8:0". Rates per second ("100MB/s"), "max" for none; `latency` a duration that is aimed at (v2). */
  readonly devices?: Readonly<
    Record<
      string,
      {
        readonly read?: Loose;
        readonly write?: Loose;
        readonly readOps?: Loose;
        readonly writeOps?: Loose;
        readonly weight?: Loose;
        readonly latency?: Loose;
      }
    >
  >;
  /** The cost model and quality of service of a device, at the top of the hierarchy only (v2): texts as the kernel takes them. */
  readonly cost?: Readonly<Record<string, { readonly qos?: string; readonly model?: string }>>;
};
type DeviceLimits = {
  readonly read?: number;
  readonly write?: number;
  readonly readOps?: number;
  readonly writeOps?: number;
  readonly weight?: number;
  readonly v1Weight?: number;
  /** Seconds. */
  readonly latency?: number;
};
export type IoLimits = {
  readonly weight?: number;
  /** The weight in v1's own unit, where it was given in that. */
  readonly v1Weight?: number;
  /** By "major:minor". */
  readonly devices?: Readonly<Record<string, DeviceLimits>>;
  readonly cost?: Readonly<Record<string, { readonly qos?: string; readonly model?: string }>>;
};
type Counts = { readonly read: number; readonly write: number; readonly readOps: number; readonly writeOps: number };
/** Bytes and operations so far, in all and by device. */
export type IoUsage = Counts & { readonly devices: Readonly<Record<string, Counts>> };

/** How v1 calls each, and v2. */
const rates = [
  ["read", "blkio.throttle.read_bps_device", "rbps"],
  ["write", "blkio.throttle.write_bps_device", "wbps"],
  ["readOps", "blkio.throttle.read_iops_device", "riops"],
  ["writeOps", "blkio.throttle.write_iops_device", "wiops"],
] as const;

const MICRO = 1e6;
const lineOf = (text: string, device: string) => text.split("\n").find((l) => l.startsWith(`${device} `));

/** v1's BFQ weights are 1 to 1000, 100 the default: the same scale, cut off. */
const V1_WEIGHT_MAX = 1000;

/** BFQ's own files, or those of the block layer's own controller: whichever the kernel and its schedulers give. */
const weightFiles = (f: Files) =>
  f.version === "v1" ? (["blkio.bfq.weight", "blkio.weight"] as const) : (["io.weight", "io.bfq.weight"] as const);
const weightFile = (f: Files) => weightFiles(f).find((file) => f.read(file) !== undefined);

/** The top of a hierarchy has no such files: while a group is made it is not known yet which it will have. */
function weights(l: IoLimits, now: Files, making: boolean): Write[] {
  const asked = l.weight !== undefined || Object.values(l.devices ?? {}).some((d) => d.weight !== undefined);
  if (!asked) return [];
  const [first, second] = weightFiles(now);
  const file = making ? first : weightFile(now);
  if (!file) refuse("io.weight", now.version, "no I/O scheduler with weights is there (BFQ, io.cost)");
  const value = (w: number, v1 = Math.min(V1_WEIGHT_MAX, w)) => (now.version === "v1" ? v1 : w);
  const device = (name: string) => (name.startsWith("blkio") ? `${name}_device` : name);
  const or = making ? { or: second } : {};
  const byDevice = Object.entries(l.devices ?? {}).flatMap(([id, d]) =>
    d.weight === undefined
      ? []
      : [
          write(device(file), `${id} ${value(d.weight, d.v1Weight)}`, {
            ...(making && { or: device(second) }),
            undo: (old: string) => [lineOf(old, id) ?? `${id} ${now.version === "v1" ? 0 : "default"}`],
          }),
        ],
  );
  const undo = (old: string) => [(lineOf(old, "default") ?? old).trim()];
  return [...(l.weight === undefined ? [] : [write(file, value(l.weight, l.v1Weight), { ...or, undo })]), ...byDevice];
}

function limitsOfDevice(device: string, d: DeviceLimits, now: Files): Write[] {
  if (now.version === "v1") {
    if (d.latency !== undefined) refuse(`io.devices.${device}.latency`, "v1", "io.latency is of v2");
    return rates.flatMap(([key, file]) => {
      const value = d[key];
      const undo = (old: string) => [lineOf(old, device) ?? `${device} 0`];
      return value === undefined ? [] : [write(file, `${device} ${Number.isFinite(value) ? value : 0}`, { undo })];
    });
  }
  const words = rates.flatMap(([key, , word]) => {
    const value = d[key];
    return value === undefined ? [] : [`${word}=${Number.isFinite(value) ? value : "max"}`];
  });
  return [
    ...(words.length
      ? [
          write("io.max", `${device} ${words.join(" ")}`, {
            undo: (old) => [lineOf(old, device) ?? `${device} rbps=max wbps=max riops=max wiops=max`],
          }),
        ]
      : []),
    ...(d.latency === undefined
      ? []
      : [
          write("io.latency", `${device} target=${Math.round(d.latency * MICRO)}`, {
            undo: (old) => [lineOf(old, device) ?? `${device} target=0`],
          }),
        ]),
  ];
}

function parse(input: IoInput, field: string): IoLimits {
  const devices = Object.entries(input.devices ?? {}).map(([name, d]) => {
    const at = `${field}.devices.${name}`;
    for (const key of Object.keys(d))
      if (!["read", "write", "readOps", "writeOps", "weight", "latency"].includes(key))
        throw new InvalidOptionError(`${at}.${key}`, "", "read, write, readOps, writeOps, weight or latency");
    const limits = present({
      read: parseRate(`${at}.read`, d.read),
      write: parseRate(`${at}.write`, d.write),
      readOps: parseOperations(`${at}.readOps`, d.readOps),
      writeOps: parseOperations(`${at}.writeOps`, d.writeOps),
      weight: parseWeight(`${at}.weight`, d.weight),
      latency: d.latency === undefined ? undefined : parseDuration(`${at}.latency`, d.latency),
    });
    return [parseDevice(at, name, "b"), limits] as const;
  });
  const cost = Object.entries(input.cost ?? {}).map(
    ([name, c]) => [parseDevice(`${field}.cost`, name, "b"), c] as const,
  );
  return present({
    weight: parseWeight(`${field}.weight`, input.weight),
    devices: devices.length ? Object.fromEntries(devices) : undefined,
    cost: cost.length ? Object.fromEntries(cost) : undefined,
  });
}

function readLimits(f: Files): IoLimits {
  const devices: Record<string, Record<string, number>> = {};
  const set = (device: string, key: string, value: number) => {
    devices[device] = { ...devices[device], [key]: value };
  };
  if (f.version === "v1")
    for (const [key, file] of rates)
      for (const line of f.read(file)?.trim().split("\n").filter(Boolean) ?? []) {
        const [device = "", value] = line.split(/\s+/);
        set(device, key, Number(value));
      }
  else {
    for (const [device, values] of Object.entries(readNested(f.read("io.max"))))
      for (const [key, , word] of rates) if (Number.isFinite(values[word])) set(device, key, values[word] as number);
    for (const [device, values] of Object.entries(readNested(f.read("io.latency"))))
      set(device, "latency", (values["target"] ?? 0) / MICRO);
  }
  const file = weightFile(f);
  const weight =
    file &&
    readNumber(
      (f.read(file) ?? "")
        .trim()
        .split("\n")[0]
        ?.replace(/^default /, ""),
    );
  return present({ weight: weight || undefined, devices: Object.keys(devices).length ? devices : undefined });
}

const none: Counts = { read: 0, write: 0, readOps: 0, writeOps: 0 };
function readUsage(f: Files): IoUsage {
  const devices: Record<string, Counts> = {};
  const add = (device: string, key: keyof Counts, n: number) => {
    devices[device] = { ...none, ...devices[device], [key]: n };
  };
  if (f.version === "v1")
    for (const [file, read, written] of [
      ["blkio.throttle.io_service_bytes_recursive", "read", "write"],
      ["blkio.throttle.io_serviced_recursive", "readOps", "writeOps"],
    ] as const)
      for (const line of f.read(file)?.trim().split("\n") ?? []) {
        const [device = "", what, n] = line.split(/\s+/);
        if (what === "Read") add(device, read, Number(n));
        if (what === "Write") add(device, written, Number(n));
      }
  else
    for (const [device, v] of Object.entries(readNested(f.read("io.stat"))))
      if (Object.keys(v).length)
        devices[device] = {
          read: v["rbytes"] ?? 0,
          write: v["wbytes"] ?? 0,
          readOps: v["rios"] ?? 0,
          writeOps: v["wios"] ?? 0,
        };
  const sum = (key: keyof Counts) => Object.values(devices).reduce((n, d) => n + d[key], 0);
  return { read: sum("read"), write: sum("write"), readOps: sum("readOps"), writeOps: sum("writeOps"), devices };
}

export const io: Controller<IoInput, IoLimits, IoUsage> = {
  name: "io",
  v1: "blkio",
  v2: "io",
  config: "CONFIG_BLK_CGROUP",
  fields: ["weight", "devices", "cost"],
  parse,
  writes(l, now, making) {
    const cost = Object.entries(l.cost ?? {}).flatMap(([device, c]) => {
      if (now.version === "v1") refuse("io.cost", "v1", "it is of v2");
      return (["qos", "model"] as const).flatMap((k) =>
        c[k] === undefined
          ? []
          : [
              write(`io.cost.${k}`, `${device} ${c[k]}`, {
                undo: (old) => [lineOf(old, device) ?? `${device} ${k === "qos" ? "enable=0" : "ctrl=auto"}`],
              }),
            ],
      );
    });
    return [
      ...weights(l, now, making),
      ...Object.entries(l.devices ?? {}).flatMap(([device, d]) => limitsOfDevice(device, d, now)),
      ...cost,
    ];
  },
  limits: readLimits,
  usage: readUsage,
};
