import { errno } from "../kernel/errno.ts";
import { AT, AT_FDCWD, CLONE, LOCK, O, S_IF, SIOCGIFINDEX } from "../kernel/flags.ts";
import { batch, deleteTable } from "../kernel/nftables.ts";
import {
  addAddress,
  addRoute,
  limitRate,
  linkUp,
  namedLinkUp,
  newBridge,
  newSubLink,
  newVeth,
  removeLink,
  setMaster,
} from "../kernel/rtnetlink.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { POLL, pollFor, timespec } from "../program/poll.ts";
import type { Policy, Slot } from "../program/types.ts";
import { addressOf, buffer, high, into, type Loose, low, stringArray, textBlock } from "../program/values.ts";
import { type Context, writeText } from "./context.ts";
import { ask, openNetlink } from "./netlink.ts";
import { type Bridge, type Connection, connectionOf, type Rules, type Setting, type Table } from "./network-plan.ts";
import { closePassages, openPassages } from "./passage.ts";
import { resetSignals } from "./signals.ts";
import { leaveStdio } from "./stdio.ts";

const SIGKILL = 9;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const IFREQ_SIZE = 40;

/** The number of an interface: struct ifreq, put into slots, since what the kernel writes there can be read. */
function indexOf(s: SectionBuilder, name: string): Loose {
  const field = new BigUint64Array(2);
  new TextEncoder().encodeInto(name, new Uint8Array(field.buffer));
  const request = Array.from({ length: IFREQ_SIZE / 8 }, (_, i) => s.program.slot(`ifreq of ${name} ${i}`));
  request.forEach((slot, i) => {
    s.let(slot, field[i] ?? 0);
  });
  const socket = s.get("open a socket", "socket", [AF_INET, SOCK_DGRAM | O.CLOEXEC, 0]);
  s.call(`find the interface ${name}`, "ioctl", [socket, SIOCGIFINDEX, addressOf(request[0] as Slot)]);
  s.call("close the socket", "close", [socket]);
  return low(request[2] as Slot);
}

export function performRules(s: SectionBuilder, { label, requests, or }: Rules): void {
  if (requests.length === 0) return;
  const socket = openNetlink(s, "NETFILTER");
  if (!or) ask(s, socket, label, batch(requests));
  else {
    const answer = ask(s, socket, label, batch(requests), { ignore: ["ENOENT"] });
    s.skipIf(answer, "!=", -errno("ENOENT"), () => {
      // A batch that failed is answered more than once.
      s.call("close the socket", "close", [socket]);
      s.let(socket, openNetlink(s, "NETFILTER"));
      ask(s, socket, label, batch(or));
    });
  }
  s.call("close the socket", "close", [socket]);
}

/** No descriptor has this number. */
const CLOSED = 0x7fffffff;

/** What this process holds the lock by; a failure may come while it does, and then it must not wait for itself. */
const lockSlot = (s: SectionBuilder, b: Pick<Bridge, "name">) => s.program.shared(`lock of ${b.name}`);

function lockBridge(s: SectionBuilder, b: Pick<Bridge, "name" | "lock">, policy: Policy = {}): void {
  const fd = lockSlot(s, b);
  const flags = O.RDWR | O.CREAT | O.CLOEXEC;
  s.call(`open the lock of ${b.name}`, "openat", [AT_FDCWD, b.lock, flags, 0o600], { ...policy, result: fd });
  s.call(`hold the lock of ${b.name}`, "flock", [fd, LOCK.EX], policy);
}

function unlockBridge(s: SectionBuilder, b: Pick<Bridge, "name">, policy: Policy = {}): void {
  s.call("let the lock go", "close", [lockSlot(s, b)], policy);
  s.let(lockSlot(s, b), CLOSED);
}

/** What the kernel has no file for is passed over. */
function applySettings(s: SectionBuilder, settings: readonly Setting[]): void {
  for (const { path, text } of settings) {
    const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0], { ignore: ["ENOENT"] });
    s.skipIf(fd, "<", 0, () => {
      writeText(s, `write ${text} to ${path}`, fd, text);
      s.call(`close ${path}`, "close", [fd]);
    });
  }
}

/** The bridge may be there: then all of this changes nothing. */
function makeBridge(s: SectionBuilder, socket: Slot, b: Bridge): Loose {
  ask(s, socket, `make the bridge ${b.name}`, newBridge(b.name, b.mac), { ignore: ["EEXIST"] });
  const index = indexOf(s, b.name);
  for (const a of b.addresses)
    ask(s, socket, `give ${b.name} its address`, addAddress(undefined, a), { holes: { index }, ignore: ["EEXIST"] });
  ask(s, socket, `bring ${b.name} up`, namedLinkUp(b.name));
  applySettings(s, b.settings);
  performRules(s, b.rules);
  openPassages(s, b.passages);
  return index;
}

/** Where the helper finds the pipe that it notes its number in, which it does when all is set up. */
export const HELPER_FD = 20;

/** The program makes the interface in the namespaces of the process, and stays for as long as the container does. */
function performHelper(c: Context, s: SectionBuilder, words: readonly string[], pid: Slot): void {
  const section = c.program.section("helper of the network");
  const told = c.program.slot("pipe of the network's helper");
  s.call("make a pipe for its answer", "pipe2", [addressOf(told), O.CLOEXEC]);
  s.spawn(`start ${words[0]}`, section, { flags: CLONE.PIDFD, pidfd: helperSlot(c) });
  section.call("keep its pipe", "dup3", [high(told), HELPER_FD, 0]);
  // It lives as long as the container: whoever reads what a caller writes would wait for its end. What goes wrong it may say to whom the container does.
  leaveStdio(section, c.job.stdio[2].kind === "inherit" ? [0, 1] : [0, 1, 2]);
  const number = textBlock("\0".repeat(24), "pid of the container");
  section.format(pid, number, 0);
  // Ours ignores some signals: what it executes is to find them as a shell leaves them.
  resetSignals(section);
  const argv = stringArray("argv", words);
  const at = words.indexOf("PID");
  const pointers = argv.pointers.map((p, i) => (i === at ? { at: p.at, to: into(number) } : p));
  const environment = stringArray("envp", ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]);
  section.call(`execute ${words[0]}`, "execve", [words[0] ?? "", { ...argv, pointers }, environment]);
  s.call("close its end", "close", [high(told)]);
  const got = s.get(`wait for ${words[0]}`, "read", [low(told), buffer("a number", 16), 16]);
  s.call("close the pipe", "close", [low(told)]);
  s.check(`was ${words[0]} executed?`);
  s.skipIf(got, ">", 0, () => s.fail(`connect by ${words[0]}`, ENETUNREACH));
}
const ENETUNREACH = errno("ENETUNREACH");
const helperSlot = (c: Context) => c.program.shared("pidfd of the network's helper");

/** Opened before the bridge is there, without which nobody can be ready. */
function openReady(s: SectionBuilder, path: string): Slot {
  s.call(`make ${path}`, "mknodat", [AT_FDCWD, path, S_IF.FIFO | 0o600, 0], { ignore: ["EEXIST"] });
  return s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0]);
}

/** Whoever does not answer by then will not: a container without names is better than none. */
const PATIENCE_S = 2;

function awaitReady(s: SectionBuilder, ready: Slot): void {
  const fds = pollFor(s, ready, POLL.IN);
  s.call("wait until names can be asked for", "ppoll", [fds, 1, timespec(PATIENCE_S), 0, 8]);
  s.call("close what says so", "close", [ready]);
}

/** Outside: what connects the first process's network namespace. Gives the slot that says that there is something to undo. */
export function connectNetwork(c: Context, s: SectionBuilder, pid: Slot, begun: Slot): void {
  const { network } = c.job;
  if (!network) return;
  const { link, inside } = network;
  s.let(begun, 1);
  if (link.kind === "helper") {
    performHelper(c, s, link.words, pid);
    return;
  }
  const ready = network.awaits === undefined ? undefined : openReady(s, network.awaits);
  if (link.kind === "veth") lockBridge(s, link.bridge);
  const socket = openNetlink(s, "ROUTE");
  if (link.kind === "veth") {
    const master = makeBridge(s, socket, link.bridge);
    ask(s, socket, `make ${link.host} and the container's ${inside.name}`, newVeth(link.host, link.mac, inside), {
      holes: { pid },
    });
    ask(s, socket, `attach ${link.host} to ${link.bridge.name}`, setMaster(link.host), { holes: { master } });
    if (link.download)
      ask(
        s,
        socket,
        `limit what ${inside.name} receives`,
        limitRate(undefined, link.download.rate, link.download.burst),
        {
          holes: { index: indexOf(s, link.host) },
        },
      );
    ask(s, socket, `bring ${link.host} up`, namedLinkUp(link.host));
  } else
    ask(s, socket, `make a ${link.sub.kind} on ${link.parent}`, newSubLink(inside, link.sub), {
      holes: { pid, parent: indexOf(s, link.parent) },
    });
  s.call("close the socket", "close", [socket]);
  for (const rules of network.rules) performRules(s, rules);
  if (link.kind === "veth") unlockBridge(s, link.bridge);
  if (ready) awaitReady(s, ready);
}

/** Inside: addresses and routes. */
export function configureNetwork(c: Context, s: SectionBuilder): void {
  const { network } = c.job;
  if (!network || network.link.kind === "helper") return;
  const { name, index, addresses, gateways, upload, settings } = network.inside;
  applySettings(s, settings ?? []);
  const socket = openNetlink(s, "ROUTE");
  for (const a of addresses) ask(s, socket, `give ${name} its address`, addAddress(index, a));
  ask(s, socket, `bring ${name} up`, linkUp(index));
  for (const g of gateways) ask(s, socket, `route by ${g.family} gateway`, addRoute(index, g));
  if (upload) ask(s, socket, `limit what ${name} sends`, limitRate(index, upload.rate, upload.burst));
  s.call("close the socket", "close", [socket]);
}

/**
 * The same at the end, after a failure, and for a container whose supervisor was killed: nothing that was made for it
 * stays, nor a bridge that nobody uses any more. Before `begun` is 1 what has these names is another's.
 */
export function disconnect(s: SectionBuilder, n: Connection, begun: Loose = 1): void {
  const all = { ignore: "all" } as const;
  const { link, bridge } = n;
  s.skipIf(begun, "!=", 1, () => {
    removeTables(s, n.tables);
    if (link !== undefined) removeInterface(s, link);
  });
  if (bridge) {
    unlockBridge(s, bridge, all);
    lockBridge(s, bridge, all);
  }
  for (const lease of n.leases) s.call("give the address back", "unlinkat", [AT_FDCWD, lease, 0], all);
  if (!bridge) return;
  const last = s.get("is it the last one?", "unlinkat", [AT_FDCWD, bridge.leases, AT.REMOVEDIR], all);
  s.skipIf(last, "!=", 0, () => {
    removeTables(s, [bridge.table]);
    closePassages(s, bridge.passages ?? []);
    removeInterface(s, bridge.name);
  });
  unlockBridge(s, bridge, all);
}

export function disconnectNetwork(c: Context, s: SectionBuilder, begun: Slot): void {
  const { network } = c.job;
  if (!network) return;
  if (network.link.kind === "helper")
    s.call("end the network's helper", "pidfd_send_signal", [low(helperSlot(c)), SIGKILL, 0, 0], { ignore: "all" });
  disconnect(s, connectionOf(network), begun);
}

function removeInterface(s: SectionBuilder, name: string): void {
  const all = { ignore: "all" } as const;
  const socket = openNetlink(s, "ROUTE", all);
  ask(s, socket, `remove ${name}`, removeLink(name), all);
  s.call("close the socket", "close", [socket], all);
}

export function removeTables(s: SectionBuilder, tables: readonly Table[]): void {
  const all = { ignore: "all" } as const;
  for (const { family, name } of tables) {
    const socket = openNetlink(s, "NETFILTER", all);
    ask(s, socket, `remove the rules of ${name}`, batch([deleteTable(family, name)]), all);
    s.call("close the socket", "close", [socket], all);
  }
}
