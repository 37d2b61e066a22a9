import { newFilesystem } from "../../compile/mounts.ts";
import { mountIdOf } from "../../compile/statx.ts";
import { exactText } from "../../host/files.ts";
import { covers } from "../../host/in-root.ts";
import { type HostMount, parseMountinfo } from "../../host/mountinfo.ts";
import { errno } from "../../kernel/errno.ts";
import { O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import type { Loose } from "../../program/values.ts";
import { absolutePath, openAsCaller } from "./caller.ts";

type Parameter = readonly [key: string, value?: string];

/** Directories are separated by ":", and may have one, or a comma, behind a backslash. kernel: filesystems/overlayfs.rst */
const listed = (value: string) => value.split(/(?<!\\):/).map((d) => d.replace(/\\(.)/g, "$1"));
const escaped = (path: string) => path.replace(/[\\:,]/g, "\\$&");
const DIRECTORIES = ["lowerdir", "upperdir", "workdir"];

/** The mount that all of them are on, if it has none on it. */
function mountOf(pid: number, directories: readonly string[]): HostMount | undefined {
  const mounts = parseMountinfo(exactText(`/proc/${pid}/mountinfo`));
  const above = mounts.filter(({ point }) => directories.every((d) => covers(point, d)));
  const deepest = above.reduce<HostMount | undefined>(
    (a, b) => (a && a.point.length > b.point.length ? a : b),
    undefined,
  );
  return deepest && mounts.every((m) => m.parent !== deepest.id) ? deepest : undefined;
}

/**
 * An overlay of a caller's directories. It would show what is hidden in them below other mounts (CVE-2021-3732), and paths are
 * looked up by the kernel when it is made, when they may lead elsewhere. So all are on one mount that has none on it, and
 * that mount is the root of whoever makes it. Undefined: they are not.
 */
export function overlayOf(
  pid: number,
  parameters: readonly Parameter[],
): ((s: SectionBuilder, root: number, enter: (top: Loose) => void, attributes: number) => Slot) | undefined {
  const paths = parameters.map(([key, value = ""]) =>
    DIRECTORIES.includes(key) ? listed(value).map((d) => d && absolutePath(pid, d)) : undefined,
  );
  const all = paths.flatMap((p) => p ?? []);
  const on = all.includes("") ? undefined : mountOf(pid, all);
  if (!on) return undefined;
  const below = (path: string) => escaped(on.point === "/" ? path : path.slice(on.point.length) || "/");
  const rewritten = parameters.map((p, i): Parameter => {
    const own = paths[i];
    return own ? [p[0], own.map(below).join(":")] : p;
  });
  return (s, root, enter, attributes) => {
    const top = openAsCaller(s, root, on.point, O.PATH | O.DIRECTORY);
    const found = mountIdOf(s, `is ${on.point} what it was?`, top, "listed");
    s.skipIf(found, "==", Number(on.id), () => s.fail(`find the mount ${on.point}`, errno("EPERM")));
    enter(top);
    return newFilesystem(s, "overlay", [["source", "overlay"], ...rewritten], attributes);
  };
}
