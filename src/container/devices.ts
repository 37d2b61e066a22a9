import { statSync } from "node:fs";
import type { Device } from "../compile/spec.ts";
import { InvalidOptionError } from "../values/errors.ts";

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

/** The two halves of st_rdev as glibc's gnu_dev_major and gnu_dev_minor split it. */
const majorOf = (dev: number) => (dev >> 8) & 0xfff;
const minorOf = (dev: number) => (dev & 0xff) | ((dev >> 12) & 0xfff00);

/** "/dev/fuse" or "HOST:CONTAINER" as devices of a spec, and the host path of each. */
export function describeDevices(devices: readonly string[]): { devices: Device[]; sources: Record<string, string> } {
  const found: Device[] = [];
  const sources: Record<string, string> = {};
  for (const text of devices) {
    const [source = "", path = source] = text.split(":");
    if (!path.startsWith("/dev/") || path.includes(".."))
      throw new InvalidOptionError("devices", text, "a path below /dev in the container");
    const stat = statSync(source, { throwIfNoEntry: false });
    const type =
      stat && (stat.mode & S_IFMT) === S_IFCHR ? "c" : stat && (stat.mode & S_IFMT) === S_IFBLK ? "b" : undefined;
    if (!stat || !type) throw new InvalidOptionError("devices", source, "a device of this machine");
    found.push({
      path,
      type,
      major: majorOf(stat.rdev),
      minor: minorOf(stat.rdev),
      fileMode: stat.mode & 0o777,
      uid: 0,
      gid: 0,
    });
    sources[path] = source;
  }
  return { devices: found, sources };
}
