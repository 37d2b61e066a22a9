import { type Stats, statSync } from "node:fs";
import { defaultDevices } from "../compile/devices.ts";
import type { Device } from "../compile/spec.ts";
import { InvalidOptionError } from "../values/errors.ts";

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

/** The two halves of st_rdev as glibc's gnu_dev_major and gnu_dev_minor split it. */
const majorOf = (dev: number) => (dev >> 8) & 0xfff;
const minorOf = (dev: number) => (dev & 0xff) | ((dev >> 12) & 0xfff00);

/**
 * A device of the host's, and what the container may do with it: "r", "w", "m" (make nodes of it); all three if not said.
 * Its mode and owners are those of the host's node if not said.
 */
export type DeviceChoice =
  | string
  | {
      readonly source: string;
      readonly access?: string;
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
    };

/**
 * "/dev/fuse", "HOST:CONTAINER", "HOST:CONTAINER:rw", or "vendor.com/class=name" as a file of /etc/cdi or /var/run/cdi
 * describes it; or the container's name of each to the host's.
 */
export type DeviceOptions = readonly string[] | Readonly<Record<string, DeviceChoice>>;

const ALL = "rwm";

function fromText(text: string): [path: string, choice: DeviceChoice] {
  const [source = "", ...rest] = text.split(":");
  const isAccess = (t: string | undefined) => t !== undefined && /^[rwm]+$/.test(t);
  const [path = source, access = ALL] = isAccess(rest[0]) ? [source, rest[0]] : rest;
  return [path, { source, access }];
}

/** Both forms as the second. */
export const byPath = (devices: DeviceOptions): Readonly<Record<string, DeviceChoice>> =>
  Array.isArray(devices)
    ? Object.fromEntries((devices as readonly string[]).map(fromText))
    : (devices as Readonly<Record<string, DeviceChoice>>);

export type DescribedDevice = Device & { readonly source: string; readonly access: string };

function describeOne(path: string, choice: DeviceChoice): DescribedDevice {
  const { source, access = ALL, ...own } = typeof choice === "string" ? { source: choice } : choice;
  if (!path.startsWith("/dev/") || path.includes(".."))
    throw new InvalidOptionError("devices", path, "a path below /dev in the container");
  if (!/^[rwm]+$/.test(access)) throw new InvalidOptionError(`devices.${path}`, access, 'some of "r", "w" and "m"');
  const stat = statSync(source, { throwIfNoEntry: false });
  const format = (stat?.mode ?? 0) & S_IFMT;
  const type = format === S_IFCHR ? "c" : format === S_IFBLK ? "b" : undefined;
  if (!stat || !type) throw new InvalidOptionError("devices", source, "a device of this machine");
  const numbers = { major: majorOf(stat.rdev), minor: minorOf(stat.rdev) };
  return { path, type, ...numbers, ...ownersOf(stat, own), source, access };
}

type Owners = { readonly mode?: number; readonly uid?: number; readonly gid?: number };

const ownersOf = (stat: Stats, { mode = stat.mode & 0o777, uid = stat.uid, gid = stat.gid }: Owners) => ({
  fileMode: mode,
  uid,
  gid,
});

/** The devices that are given, with the host's name of each. */
export const describeDevices = (devices: DeviceOptions): DescribedDevice[] =>
  Object.entries(byPath(devices)).map(([path, choice]) => describeOne(path, choice));

export const plainDevice = ({ source: _, access: __, ...device }: DescribedDevice): Device => device;

const rule = (d: Pick<Device, "type" | "major" | "minor">, access: string) =>
  `${d.type} ${d.major}:${d.minor} ${access}`;

/** Terminals of its own: /dev/pts, /dev/ptmx, /dev/console. */
const terminals = ["c 136:* rwm", "c 5:1 rwm", "c 5:2 rwm"];

/** Who is given devices may use these and those that every container has, as far as it was said; no others. */
export const deviceRules = (devices: DeviceOptions): readonly string[] => [
  // Nodes of any device may be made: without this rule overlay could not mark what was deleted.
  "c *:* m",
  "b *:* m",
  ...defaultDevices.map((d) => rule(d, ALL)),
  ...terminals,
  ...describeDevices(devices).map((d) => rule(d, d.access)),
];
