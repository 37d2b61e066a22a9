import { AT, AT_FDCWD, F, O, S_IF } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { ANY } from "../../program/types.ts";
import { high } from "../../program/values.ts";
import { statx, wordOf } from "../statx.ts";

/** Major and minor number, as struct statx has them in one word: a character device, since no block device is 1:3 but a RAM disk. */
const NULL = 1n | (3n << 32n);

/**
 * A stream that is the host's /dev/null becomes the container's own, so that nothing of the container's leads to a mount of the host's: what
 * does can't be checkpointed. One that is not what it says in the root filesystem is left alone.
 */
export function ownNull(s: SectionBuilder): void {
  const at = (fd: number | ReturnType<typeof s.get>) => ({ at: fd, flags: AT.EMPTY_PATH });
  for (const fd of [0, 1, 2]) {
    const given = statx(s, `look at stream ${fd}`, "", at(fd));
    s.skipIf(wordOf(given, "device"), "!=", NULL, () => {
      // Without waiting, since it could be a FIFO.
      const flags = O.RDWR | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC;
      const own = s.program.shared("the container's /dev/null");
      s.call("open the container's /dev/null", "openat", [AT_FDCWD, "/dev/null", flags, 0], { result: own, ...ANY });
      s.skipIf(own, "<", 0, () => {
        const found = statx(s, "look at it", "", at(own));
        s.skipIf(wordOf(found, "device"), "!=", NULL, () =>
          s.skipIf(high(wordOf(found, "mode")), "&", ~S_IF.CHR & 0o170000, () => {
            s.call("let it wait as any other", "fcntl", [own, F.SETFL, 0]);
            s.call(`make it stream ${fd}`, "dup3", [own, fd, 0]);
          }),
        );
        s.call("close the container's /dev/null", "close", [own]);
      });
    });
  }
}
