import { changing, groupOfContainer } from "../container/adopt.ts";
import { deviceRules } from "../container/devices.ts";
import { listContainers, runningContainer } from "../container/state.ts";
import { whileRunning } from "../container/while-running.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { groupLimits } from "./limits.ts";
import type { Values } from "./option-table.ts";
import { complain, print } from "./output.ts";
import { json } from "./show-group.ts";

/** Stops all of a container; `exec` into it waits until it goes on. */
export async function pause(names: readonly string[]): Promise<number> {
  for (const c of names.map(runningContainer)) await whileRunning(c, async () => (await groupOfContainer(c)).freeze());
  return 0;
}

export async function unpause(names: readonly string[]): Promise<number> {
  for (const c of names.map(runningContainer)) await whileRunning(c, async () => (await groupOfContainer(c)).thaw());
  return 0;
}

/** New limits for running containers. */
export async function update(v: Values, names: readonly string[]): Promise<number> {
  const limits = groupLimits(v);
  if (Object.keys(limits).length === 0)
    throw new InvalidOptionError("OPTIONS", "", 'given: what to change; "caisson update --help" lists the limits');
  const { devices } = limits;
  // As at its start, those that every container has are allowed as well.
  const all = devices
    ? { ...limits, devices: { ...devices, allow: [...deviceRules([]), ...(devices.allow ?? [])] } }
    : limits;
  for (const c of names.map(runningContainer)) await whileRunning(c, () => changing(c, (group) => group.update(all)));
  return 0;
}

/** What happens in containers: of all that run, if none is named. A line of JSON each. */
export async function events(names: readonly string[]): Promise<number> {
  const found = names.length
    ? names.map(runningContainer)
    : listContainers()
        .filter((c) => c.status === "running")
        .map((c) => runningContainer(c.noted.name));
  if (found.length === 0) complain("no container is running");
  const over = new AbortController();
  process.once("SIGINT", () => over.abort());
  process.once("SIGTERM", () => over.abort());
  await Promise.all(
    found.map(async (c) => {
      const group = await groupOfContainer(c);
      for await (const e of group.events({ signal: over.signal })) print(json({ container: c.noted.name, ...e }));
    }),
  );
  return 0;
}
