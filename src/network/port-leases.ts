import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn, readJson } from "../host/files.ts";
import { places } from "../host/places.ts";
import { isCode } from "../values/code-of.ts";
import { InvalidOptionError, NameError } from "../values/errors.ts";
import { formatIp } from "./address.ts";
import { formatPort, listening, type Port } from "./ports.ts";

const directory = () => join(places().leases, ".ports");

/** Which container has a port of this machine's: a file for each, so that no two have the same. */
export const portFile = (p: Port): string =>
  join(directory(), `${p.protocol}-${p.host}-${p.address ? formatIp(p.address) : "any"}`);

/** Of a port that was given to a running container, its supervisor: nobody takes that port back when the container ends. */
type Holder = {
  readonly container: string;
  readonly pid: number;
  readonly port: string;
  readonly supervisor?: number | undefined;
};

/** Who is to have ports: a container that is being made, or a running one, of which names come again. */
export type PortUser = Pick<Holder, "container" | "supervisor">;

/** Whether a container of this name is in use; `supervisor`, if that is known, is the one that it must have. */
type IsInUse = (container: string, supervisor: number | undefined) => boolean;

const holderOf = (path: string) => readJson<Holder>(path);

/** The container that a port leads to, if it still runs, or is just being made. */
function takenBy(path: string, isInUse: IsInUse): string | undefined {
  const holder = holderOf(path);
  if (!holder) return undefined;
  const age = Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  const beingMade = holder.supervisor === undefined && age < BEING_MADE_MS && existsSync(`/proc/${holder.pid}`);
  return isInUse(holder.container, holder.supervisor) || beingMade ? holder.container : undefined;
}
const BEING_MADE_MS = 30_000;

function write(p: Port, user: PortUser): boolean {
  const holder: Holder = { ...user, pid: process.pid, port: formatPort(p) };
  try {
    writeFileSync(portFile(p), JSON.stringify(holder), { flag: "wx" });
    return true;
  } catch (e) {
    if (isCode(e, "EEXIST")) return false;
    throw e;
  }
}

/** The range that the kernel takes the ports of outgoing connections from, so that servers keep clear of it. */
const FREE = { from: 49152, size: 11000 } as const;

function takeOne(user: PortUser, p: Port, isInUse: IsInUse): Port {
  const path = portFile(p);
  if (write(p, user)) return p;
  const by = takenBy(path, isInUse);
  if (by !== undefined)
    throw new InvalidOptionError("network.ports", `${p.host}/${p.protocol}`, `free: the container ${by} has it`);
  rmSync(path, { force: true });
  if (write(p, user)) return p;
  throw new InvalidOptionError("network.ports", `${p.host}/${p.protocol}`, "free: another container has just taken it");
}

function takeAny(user: PortUser, p: Port): Port {
  const used = listening(p.protocol);
  const start = Math.floor(Math.random() * FREE.size);
  for (let i = 0; i < FREE.size; i++) {
    const port = { ...p, host: FREE.from + ((start + i) % FREE.size) };
    if (!used.has(port.host) && write(port, user)) return port;
  }
  throw new NameError(user.container, "no port of this machine is free");
}

/** Takes all of them, or none. A port of 0 becomes one that is free. */
export function takePorts(user: PortUser, ports: readonly Port[], isInUse: IsInUse): Port[] {
  if (ports.length) mkdirSync(directory(), { recursive: true, mode: 0o700 });
  const taken: Port[] = [];
  try {
    for (const p of ports) taken.push(p.host === 0 ? takeAny(user, p) : takeOne(user, p, isInUse));
  } catch (e) {
    givePortsBack(taken);
    throw e;
  }
  return taken;
}

export function givePortsBack(ports: readonly Port[]): void {
  for (const p of ports) rmSync(portFile(p), { force: true });
}

/** The ports that lead to a container now. */
export function portsOf({ container, supervisor }: PortUser): string[] {
  return namesIn(directory())
    .sort()
    .flatMap((name) => {
      const holder = holderOf(join(directory(), name));
      const isIts = holder?.container === container && [undefined, supervisor].includes(holder.supervisor);
      return isIts ? [holder.port] : [];
    });
}
