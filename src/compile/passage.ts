import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, MSG, O } from "../kernel/flags.ts";
import { counter, jump } from "../kernel/nft-expressions.ts";
import {
  batch,
  deleteChain,
  deleteRules,
  ECHO,
  echoed,
  newOwnChain,
  newRule,
  type Request,
} from "../kernel/nftables.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { addressOf, high, low } from "../program/values.ts";
import { ask, openNetlink } from "./netlink.ts";
import type { Passage, PassageEnd } from "./network-plan.ts";

const HANDLE = "handle";

const emptied = ({ family, table, own }: PassageEnd) => [
  deleteRules(family, table, own),
  deleteChain(family, table, own),
];

/** A batch that fails is answered more than once: each has a socket of its own. */
function tryAll(s: SectionBuilder, label: string, requests: readonly Request[], handle?: Slot): void {
  const socket = openNetlink(s, "NETFILTER", ANY);
  ask(s, socket, label, batch(requests), { ...ANY, ...(handle && { holes: { [HANDLE]: handle } }) });
  s.call("close the socket", "close", [socket], ANY);
}

/** -1 where it is not known. */
const handleOf = (s: SectionBuilder, { family, own }: PassageEnd): Slot =>
  s.program.shared(`handle of what leads to ${own} in ${family}`);

/** Gives what the kernel said: an error, or above zero if the rule is there now, whose handle is noted. */
function tryOpen(s: SectionBuilder, p: Passage): Slot {
  const { family, table, chain, own } = p;
  const { bytes } = batch([
    newOwnChain(family, table, own),
    ...p.rules.map((rule) => newRule(family, table, own, rule)),
    echoed(newRule(family, table, chain, [counter, jump(own)])),
  ]);
  const at = ECHO.handleAt(table, chain);
  const words = Array.from({ length: at / 8 + 1 }, (_, i) => s.program.shared(`word ${i} of a rule`));
  const [first, , third] = words;
  const handle = words[at / 8];
  const label = `let ${own} pass ${chain}`;
  if (!first || !third || !handle) throw new RangeError(`${label}: the handle is not in a word of its own`);
  const socket = openNetlink(s, "NETFILTER");
  const block = { name: "message", bytes, pointers: [] };
  s.call(label, "sendto", [socket, block, bytes.length, 0, 0, 0]);
  s.call("read the answer", "recvfrom", [socket, addressOf(first), words.length * 8, MSG.DONTWAIT, 0, 0]);
  const isRule = s.program.shared("is it a rule?");
  s.let(isRule, 1);
  s.skipIf(high(first), "&", ECHO.kind, () => s.let(isRule, 0));
  // First of all: whatever fails from here on, this takes it away again.
  s.skipIf(isRule, "==", 0, () => s.let(handleOf(s, p), handle));
  s.call("close the socket", "close", [socket]);
  const said = s.raise(label, 1);
  s.skipIf(isRule, "==", 1, () => s.raise(label, low(third), ANY));
  s.skipIf(said, "<", 0, () => {
    const flags = O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC;
    const file = s.get(`open ${p.handle}`, "openat", [AT_FDCWD, p.handle, flags, 0o600]);
    s.call("note the rule's handle", "write", [file, addressOf(handleOf(s, p)), 8]);
    s.call(`close ${p.handle}`, "close", [file]);
  });
  return said;
}

/** Where there is no such chain of others, nothing is to be passed. */
function openPassage(s: SectionBuilder, p: Passage): void {
  if (p.rules.length === 0) return;
  const label = `let ${p.own} pass ${p.chain}`;
  const said = tryOpen(s, p);
  // Ours is there already. It can be deleted if nothing leads to it any more, since somebody emptied the other.
  s.skipIf(said, "!=", -errno("EEXIST"), () => {
    tryAll(s, `remove what is left of ${p.own}`, emptied(p));
    tryOpen(s, p);
  });
  s.raise(label, said, { ignore: ["ENOENT", "EEXIST", "EOPNOTSUPP", "EAFNOSUPPORT"] });
}

/** By its handle alone a rule is removed. It can't be another's: with it goes our chain, and if that is not there, nothing does. */
function closePassage(s: SectionBuilder, p: PassageEnd): void {
  const handle = handleOf(s, p);
  const file = s.get(`open ${p.handle}`, "openat", [AT_FDCWD, p.handle, O.RDONLY | O.CLOEXEC, 0], ANY);
  s.skipIf(file, "<", 0, () => {
    s.call("read the rule's handle", "read", [file, addressOf(handle), 8], ANY);
    s.call(`close ${p.handle}`, "close", [file], ANY);
    s.call(`remove ${p.handle}`, "unlinkat", [AT_FDCWD, p.handle, 0], ANY);
  });
  s.skipIf(handle, "==", -1, () => {
    const rule = deleteRules(p.family, p.table, p.chain, HANDLE);
    tryAll(s, `let ${p.own} pass no more`, [rule, ...emptied(p)], handle);
  });
}

export const openPassages = (s: SectionBuilder, all: readonly Passage[]): void => {
  for (const p of all) openPassage(s, p);
};
export const closePassages = (s: SectionBuilder, all: readonly PassageEnd[]): void => {
  for (const p of all) closePassage(s, p);
};
