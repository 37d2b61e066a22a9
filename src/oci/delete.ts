import { existsSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { until } from "../cgroups/freezer.ts";
import { removeTree } from "../cgroups/remove.ts";
import { RUNTIME_FILES } from "../compile/runtime/lifecycle.ts";
import type { Global } from "./context.ts";
import { killContainer, processesOf } from "./kill.ts";
import { warn } from "./log.ts";
import { directoryOf, RuntimeError } from "./places.ts";
import { type Container, load, statusOf } from "./state.ts";

const REMOVE_MS = 2000;

async function removeGroups(c: Container): Promise<void> {
  const { directories, resctrl } = c.saved.cgroup;
  for (const d of resctrl?.remove ?? []) if (existsSync(d)) rmdirSync(d);
  const busy = () => directories.filter((d) => !removeTree(d));
  if (await until(() => busy().length === 0, REMOVE_MS)) return;
  const pids = processesOf(c);
  throw new RuntimeError(`delete ${c.saved.id}: its control groups are busy: ${busy().join(", ")} (processes ${pids})`);
}

/** runtime.md "delete": control groups and state, then poststop hooks, whose failures are only told of. */
export async function remove(g: Global, id: string | undefined, force: boolean): Promise<number> {
  const directory = directoryOf(g.root, id);
  if (!existsSync(directory)) {
    if (force) return 0;
    throw new RuntimeError(`container ${id}: container does not exist`);
  }
  // Killed before it had written anything down, a create has not made anything else either.
  if (!existsSync(join(directory, RUNTIME_FILES.state))) {
    rmSync(directory, { recursive: true, force: true });
    return 0;
  }
  const c = load(g.root, id);
  const status = statusOf(c);
  // One that nobody has started goes, too, as for runc and crun: an engine that gives up between the two has no other word for it.
  if (status !== "stopped" && status !== "created" && !force)
    throw new RuntimeError(`cannot delete container ${id} that is not stopped: ${status}`);
  await killContainer(c);
  await removeGroups(c);
  if (c.saved.cgroup.unit !== undefined) await (await import("./systemd.ts")).stopUnit(c.saved.cgroup.unit);
  rmSync(directory, { recursive: true, force: true });
  if (c.saved.spec.hooks?.poststop?.length) {
    const { performHooks } = await import("./hooks.ts");
    for (const line of performHooks(c, "poststop", "stopped", false)) warn(g.log, line);
  }
  return 0;
}
