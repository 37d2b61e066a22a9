import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { MNT_DETACH, MS } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { performed } from "./launch.ts";
import type { Mount } from "./protocol/task_pb.ts";
import { StatusError } from "./ttrpc/status.ts";

/** What containerd's snapshotter says that a root filesystem is made of, mounted where its bundle has it. */

const [BIND, REMOUNT] = [0x1000, 0x20];
/** mount(2); the words of mount(8) that are flags there. */
const flags: Readonly<Record<string, number>> = {
  ...{ ro: 1, nosuid: 2, nodev: 4, noexec: 8, sync: 16, dirsync: 128, noatime: 1024, nodiratime: 2048 },
  ...{ relatime: 1 << 21, strictatime: 1 << 24, bind: BIND, rbind: BIND | MS.REC },
  ...{ rw: 0, suid: 0, dev: 0, exec: 0, async: 0, atime: 0, defaults: 0 },
};
/** All of mount(2)'s data is one page. */
const PAGE = 4096;

/** What all paths of an overlay's layers begin with: from there they are shorter, and more of them fit. */
function shortened(options: readonly string[]): { from: string; data: string } {
  const lower =
    options
      .find((o) => o.startsWith("lowerdir="))
      ?.slice("lowerdir=".length)
      .split(":") ?? [];
  let from = dirname(lower[0] ?? "/");
  while (from !== "/" && !lower.every((p) => p.startsWith(`${from}/`))) from = dirname(from);
  if (from === "/" || lower.length === 0) return { from: "/", data: options.join(",") };
  const relative = `lowerdir=${lower.map((p) => p.slice(from.length + 1)).join(":")}`;
  return { from, data: options.map((o) => (o.startsWith("lowerdir=") ? relative : o)).join(",") };
}

function mount(s: SectionBuilder, m: Mount, target: string): void {
  const words = m.options.filter((o) => Object.hasOwn(flags, o));
  const bits = words.reduce((all, o) => all | (flags[o] ?? 0), m.type === "bind" ? BIND : 0);
  const options = m.options.filter((o) => !Object.hasOwn(flags, o));
  const { from, data } = m.type === "overlay" ? shortened(options) : { from: "/", data: options.join(",") };
  if (data.length >= PAGE)
    throw new StatusError("invalidArgument", `rootfs: options of ${data.length} bytes are more than mount(2) takes`);
  if (from !== "/") s.call(`go to ${from}`, "chdir", [from]);
  const what = `mount ${m.type} on ${target}`;
  s.call(what, "mount", [m.source, target, m.type, bits, data || 0]);
  // A bind mount gets its other flags by a second call only.
  if (bits & BIND && bits & ~(BIND | MS.REC)) s.call(what, "mount", [0, target, 0, (bits & ~MS.REC) | REMOUNT, 0]);
  if (from !== "/") s.call("go back", "chdir", ["/"]);
}

export async function mountRoot(mounts: readonly Mount[], target: string): Promise<void> {
  if (mounts.length === 0) return;
  mkdirSync(target, { recursive: true, mode: 0o711 });
  try {
    await performed("rootfs", (s) => {
      for (const m of mounts) mount(s, m, target);
    });
  } catch (e) {
    await unmountRoot(target);
    throw e;
  }
}

/** Everything that is mounted there. It is gone once nobody uses it any more. */
export async function unmountRoot(target: string): Promise<void> {
  for (let more = true; more; ) {
    const { made, value } = await performed("rootfs", (s) => {
      s.call("be at the top", "chdir", ["/"]);
      return s.get("unmount the root filesystem", "umount2", [target, MNT_DETACH], { ignore: ["EINVAL", "ENOENT"] });
    });
    // EINVAL: nothing is mounted there any more; ENOENT: there never was such a place.
    more = value(made) === 0;
  }
}
