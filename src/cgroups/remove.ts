import { CaissonError } from "../values/errors.ts";
import { descendants, isDirectory, removeDirectory, subgroups } from "./files.ts";
import { until } from "./freezer.ts";
import { describedAll, processesBelow } from "./members.ts";
import { forgetting } from "./noted.ts";

/** One pass over a group and all below in one hierarchy, children first: whether all of it is gone. */
export const removeTree = (directory: string): boolean =>
  !isDirectory(directory) || [...descendants(directory), directory].map((d) => removeDirectory(d)).every(Boolean);

/**
 * Removes a group from the directories that it may have, the home one first, children before parents. A group is busy for a moment after its last process has ended;
 * what is still inside when the time is over is named.
 */
export async function removeGroup(
  directories: readonly string[],
  path: string,
  /** `made`: they are those that it was made in, and nothing is noted of it. */
  o: { recursive: boolean; ms: number; made: boolean },
): Promise<void> {
  const [home = ""] = directories;
  const forget = o.made ? () => {} : forgetting(home);
  // What has neither groups nor processes in it is gone at the first try.
  if (directories.map((d) => (o.made ? removeDirectory(d, true) : removeDirectory(d))).every(Boolean)) return forget();
  const children = [...new Set(directories.flatMap(subgroups))];
  if (children.length && !o.recursive)
    throw new CaissonError(
      `remove ${path}: it has groups in it (${children.join(", ")}); remove those first, or recursively`,
    );
  // A busy group must not keep the others: each pass removes what can be.
  const gone = () => directories.map(removeTree).every(Boolean);
  if (!(await until(gone, o.ms))) {
    const pids = [...new Set(directories.flatMap((d) => processesBelow(d)))];
    const who = pids.length
      ? `in it are still ${describedAll(pids)}`
      : "the kernel holds it, though no process is in it";
    throw new CaissonError(`remove ${path}: EBUSY for ${o.ms} ms; ${who}`);
  }
  forget();
}
