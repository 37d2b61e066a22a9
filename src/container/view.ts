import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layoutFor } from "../cgroups/look.ts";
import type { Mount } from "../compile/spec.ts";
import { places } from "../host/places.ts";
import { UnsupportedError } from "../values/errors.ts";
import { parseCpus } from "../values/units.ts";
import { contents } from "../view/contents.ts";
import { cpusOf, gather, type Watched } from "../view/gather.ts";
import { type ViewFile, watchView } from "../view/watch.ts";
import { pathIn } from "./group-path.ts";
import type { ContainerOptions } from "./options.ts";

/** The inside view of a container: files of the host's that are bound over those of /proc and /sys. */
export type View = {
  readonly files: readonly ViewFile[];
  readonly directory: string;
  readonly watched: Watched;
  readonly cpus: number;
};

export function viewOf(o: ContainerOptions, name: string, rootless: boolean): View | undefined {
  if (!o.view) return undefined;
  if (rootless)
    throw new UnsupportedError("view", "the kernel asks before a file is opened (fanotify) on behalf of root only");
  const cpus = o.cpus === undefined ? undefined : parseCpus("cpus", o.cpus);
  const directory = join(places().scratch, "views", name);
  const watched = {
    layout: layoutFor(pathIn(o.cgroupParent, name)),
    path: pathIn(o.cgroupParent, name),
    cpus,
    began: Date.now(),
  };
  const files = Object.keys(contents).map((shownAt) => ({
    path: join(directory, shownAt.slice(1).replaceAll("/", "-")),
    shownAt,
  }));
  return { files, directory, watched, cpus: cpusOf(watched) };
}

export const viewMounts = ({ files }: View): Mount[] =>
  files.map(({ path, shownAt }) => ({
    destination: shownAt,
    type: "bind",
    source: path,
    options: ["bind", "ro", "nosuid", "nodev", "noexec"],
  }));

/** Makes the files, with what is true now: they are bound when the container starts. */
export function makeView(v: View): void {
  mkdirSync(v.directory, { recursive: true, mode: 0o755 });
  const facts = gather({ ...v.watched, began: Date.now() }, [0, 0, 0]);
  for (const { path, shownAt } of v.files) writeFileSync(path, contents[shownAt]?.(facts) ?? "", { mode: 0o444 });
}

export const removeView = (v: View): void => rmSync(v.directory, { recursive: true, force: true });

/** Keeps them live until what is given back is called; then they are gone. */
export async function serveView(v: View, failed: (e: Error) => void): Promise<() => Promise<void>> {
  return watchView(v.files, { ...v.watched, began: Date.now() }, failed);
}
