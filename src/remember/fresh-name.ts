import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { Program } from "../program/types.ts";
import { addressOf } from "../program/values.ts";
import { DIGITS } from "../values/random-name.ts";
import { withHoles } from "./holes.ts";

/** The kernel writes "xxxxxxxx-xxxx-4xxx-yxxx-" and then what we take: twelve random hexadecimal digits. random(4). */
const UUID = "/proc/sys/kernel/random/uuid";
const DIGITS_AT = 24;
export const NAME_LENGTH = 12;
/** One name of 282 has digits alone. */
const TRIES = 3;

/**
 * The same program, but each time that it is performed it chooses a name of its own, as `randomName` does,
 * in place of the one it was compiled with.
 */
export function withFreshName(program: Program, name: string): Program {
  if (name.length !== NAME_LENGTH) throw new RangeError(`${name}: only a name of ${NAME_LENGTH} bytes can be replaced`);
  return withHoles(program, name, "chosen at random", (s, holes) => {
    // Twelve bytes go over two slots, the second half filled and ending in zeros; each hole gets eight and four.
    const [begin, end] = [s.program.slot("first of the name"), s.program.slot("last of the name")];
    const fd = s.get("open the kernel's random names", "openat", [AT_FDCWD, UUID, O.RDONLY | O.CLOEXEC, 0]);
    const isNumber = s.program.slot("has the name digits alone?");
    s.let(isNumber, 1);
    s.let(end, 0);
    for (let i = 0; i < TRIES; i++)
      s.skipIf(isNumber, "==", 0, () => {
        const read = s.get("choose a name", "pread64", [fd, addressOf(begin), NAME_LENGTH, DIGITS_AT]);
        s.skipIf(read, "==", NAME_LENGTH, () => s.fail("choose a name", errno("EIO")));
        s.skipIf(addressOf(begin), "only", DIGITS, () => s.let(isNumber, 0));
      });
    s.call("close the kernel's random names", "close", [fd]);
    for (const { block, at } of holes) {
      s.store(begin, block, at, 8);
      s.store(end, block, at + 8, 4);
    }
  });
}
