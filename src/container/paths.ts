import { statSync } from "node:fs";
import { join } from "node:path";
import type { PathRule } from "../compile/spec.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { ContainerOptions } from "./options.ts";

/** Of the container's, which has no directory that ours could be relative to. */
export function checkWorkdir(path: string): string {
  if (!path.startsWith("/")) throw new InvalidOptionError("workdir", path, "an absolute path in the container");
  return path;
}

/** What a program needs whatever it does: its terminals, its own processes, its own temporary files. */
const always = ["/dev", "/proc", "/tmp"];

/** Whether it is a file is looked up on the host: the program says so if the container has something else there. */
function rule(root: string, field: string, path: string, access: PathRule["access"]): PathRule {
  if (!path.startsWith("/")) throw new InvalidOptionError(field, path, "an absolute path in the container");
  const stat = statSync(join(root, path), { throwIfNoEntry: false });
  return { path, access, isFile: stat !== undefined && !stat.isDirectory() };
}

export function describePaths(o: ContainerOptions, root: string): readonly PathRule[] | undefined {
  if (!o.paths) return undefined;
  if (o.noNewPrivileges === false)
    throw new InvalidOptionError(
      "paths",
      "given",
      "of use with noNewPrivileges: false, without which nobody can limit himself",
    );
  const { readOnly = [], readWrite = [] } = o.paths;
  return [
    ...always.map((path) => rule(root, "paths", path, "all")),
    ...readOnly.map((path) => rule(root, "paths.readOnly", path, "read")),
    ...readWrite.map((path) => rule(root, "paths.readWrite", path, "all")),
  ];
}
