import { performRules, removeTables } from "../compile/network.ts";
import { errno, errnoName } from "../kernel/errno.ts";
import type { Request } from "../kernel/nftables.ts";
import type { Address } from "../kernel/rtnetlink.ts";
import { parseCidr } from "../network/address.ts";
import { addPort, containerTable, portTable, removePort, serveRule } from "../network/firewall.ts";
import { givePortsBack, type PortUser, portsOf, takePorts } from "../network/port-leases.ts";
import { formatPort, listening, type Port, parsePort } from "../network/ports.ts";
import { performSteps } from "../program/steps.ts";
import { InvalidOptionError, NameError } from "../values/errors.ts";
import { findExact, isRunning, type Running, runningContainer } from "./state.ts";
import { hasEnded, whileRunning } from "./while-running.ts";

/** The errno of the rules, 0 if all of them hold. */
const apply = async (label: string, requests: readonly Request[]): Promise<number> =>
  (await performSteps((s) => performRules(s, { label, requests }))).failure?.errno ?? 0;

type Connected = { readonly c: Running; readonly user: PortUser; readonly addresses: Address[] };

function connected(name: string): Connected {
  const c = runningContainer(name);
  const { noted, started } = c;
  const { network } = noted;
  if (network?.link === undefined)
    throw new NameError(
      noted.name,
      `the container ${noted.name} is on no bridge, which a published port leads through`,
    );
  const addresses = network.addresses.map((a) => parseCidr("address", a));
  return { c, user: { container: noted.name, supervisor: started.supervisor }, addresses };
}

function fail(label: string, n: number): never {
  throw new NameError(label, `${label}: ${errnoName(n)}`);
}

/** Lets ports of this machine's lead to a running container. Gives them as they are now: "80" is any free one. */
export async function publishPorts(container: string, ports: readonly string[]): Promise<string[]> {
  const { c, user, addresses } = connected(container);
  const { name } = c.noted;
  const wanted = ports.flatMap((p) => parsePort("ports", p));
  for (const p of wanted)
    if (p.host !== 0 && listening(p.protocol).has(p.host))
      throw new InvalidOptionError("ports", formatPort(p), "free: a program of this machine listens on it");
  return whileRunning(c, async () => {
    const taken = takePorts(user, wanted, isRunning);
    const elements = taken.flatMap((p) => addPort(name, p, addresses));
    const label = `publish ${taken.map(formatPort).join(", ")} of ${name}`;
    const served = c.noted.network?.limited ? taken.map((p) => serveRule(name, p, "first")) : [];
    const first = await apply(label, [...elements, ...served]);
    // Its table is made with its first port.
    const n = first === errno("ENOENT") ? await apply(label, [...portTable(name), ...elements, ...served]) : first;
    if (n !== 0 || hasEnded(c)) {
      givePortsBack(taken);
      // Made after what takes it away at the end was done; a later one of this name begins with a table of its own.
      if (n === 0 && !findExact(name))
        await performSteps((s) => removeTables(s, [{ family: "inet", name: containerTable(name) }]));
      fail(label, n);
    }
    return taken.map(formatPort);
  });
}

/** Those that are meant: all with a port alone, on whichever side it is. */
const meant = (known: readonly Port[], p: Port): readonly Port[] =>
  known.filter((k) =>
    p.host === 0
      ? k.protocol === p.protocol && (k.host === p.container || k.container === p.container)
      : formatPort(k) === formatPort(p),
  );

/** Connections that there are go on; no new ones come by these ports. A port alone is one of this machine's, or the container's. */
export async function unpublishPorts(container: string, ports: readonly string[]): Promise<void> {
  const { c, user, addresses } = connected(container);
  const { name } = c.noted;
  const texts = portsOf(user);
  const known = texts.flatMap((text) => parsePort("ports", text));
  const list = new Set<Port>();
  for (const text of ports)
    for (const p of parsePort("ports", text)) {
      const found = meant(known, p);
      if (found.length === 0)
        throw new InvalidOptionError("ports", text, `published: ${texts.join(", ") || "none is"}`);
      for (const f of found) list.add(f);
    }
  return whileRunning(c, async () => {
    const label = `take back ports of ${name}`;
    const n = await apply(
      label,
      [...list].flatMap((p) => removePort(name, p, addresses)),
    );
    if (n !== 0) fail(label, n);
    givePortsBack([...list]);
  });
}

export const publishedPorts = (container: string): string[] => portsOf(connected(container).user);
