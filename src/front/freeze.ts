import { RUNTIME_FILES } from "../compile/runtime/lifecycle.ts";
import { O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { POLL, pollFor } from "../program/poll.ts";
import { ANY, type Slot } from "../program/types.ts";
import { addressOf, buffer, low } from "../program/values.ts";
import { openState } from "./container.ts";
import { ifSame } from "./words.ts";

/** A container's state directory has a link to its group in the hierarchy that freezes. */
const open = (s: SectionBuilder, directory: Slot, name: string, flags: number) =>
  openState(s, { directory }, `${RUNTIME_FILES.home}/${name}`, flags);

/** `body` is performed if the group was told to be frozen ("1"), or was not ("0"). */
export function ifAsked(s: SectionBuilder, directory: Slot, digit: "0" | "1", body: () => void): void {
  const freeze = open(s, directory, "cgroup.freeze", O.RDONLY);
  const asked = s.program.slot("cgroup.freeze");
  const read = s.get("read cgroup.freeze", "read", [freeze, addressOf(asked), 2], ANY);
  s.call("close it", "close", [freeze], ANY);
  // The slot was -1, and its lowest two bytes are the text now: "1\n" or "0\n".
  const text = 0xffff0000 | 0x0a00 | digit.charCodeAt(0) | 0;
  s.skipIf(read, "!=", 2, () => s.skipIf(low(asked), "!=", text, body));
}

/**
 * What runs is stopped within microseconds, but the kernel tells of a change at most every 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV): after another
 * pause it is quicker to look again. Two seconds in all.
 */
const WAITS_US = [...Array.from({ length: 13 }, (_, i) => 20 << i), ...Array.from({ length: 18 }, () => 100_000)];

/** As src/cgroups/freezer.ts. What does not stand still soon is the engine's to wait for, and to name. */
export function freeze(s: SectionBuilder, directory: Slot): void {
  const ask = open(s, directory, "cgroup.freeze", O.WRONLY);
  const events = open(s, directory, "cgroup.events", O.RDONLY);
  s.skipIf(ask, "<", 0, () =>
    s.skipIf(events, "<", 0, () => {
      const text = buffer("cgroup.events", 64);
      const fds = pollFor(s, events, POLL.PRI);
      const wait = buffer("timespec", 16);
      s.call("freeze it", "write", [ask, "1", 1], ANY);
      for (const us of WAITS_US) {
        s.call("read cgroup.events", "pread64", [events, text, 63, 0], ANY);
        ifSame(s, text, "populated 1\nfrozen 1\n", () => s.exit(0));
        s.store(BigInt(us) * 1000n, wait, 8, 8);
        s.call("wait for a change", "ppoll", [fds, 1, wait, 0, 8], ANY);
      }
      s.call("thaw it", "write", [ask, "0", 1], ANY);
    }),
  );
  for (const fd of [ask, events]) s.call("close what was for that", "close", [fd], ANY);
}

export function thaw(s: SectionBuilder, directory: Slot): void {
  const ask = open(s, directory, "cgroup.freeze", O.WRONLY);
  const done = s.get("thaw it", "write", [ask, "0", 1], ANY);
  s.skipIf(done, "!=", 1, () => s.exit(0));
  s.call("close it", "close", [ask], ANY);
}
