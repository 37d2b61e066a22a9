import { AT_FDCWD, F, F_SEAL_WRITE, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { executeSealed } from "../program/seal.ts";
import { ANY, type Slot } from "../program/types.ts";
import { argumentsFrom } from "../program/values.ts";

const OWN = "/proc/self/exe";

/** The null pointer at the end of the arguments; the environment is behind it. */
const BEHIND_ALL = 0xffffffff;
const POINTER = 8;

/** All of the environment that this process was executed with, as execve(2) takes it. */
export function ownEnvironment(s: SectionBuilder): Slot {
  const environment = s.program.shared("environment");
  s.let(environment, argumentsFrom(BEHIND_ALL), POINTER);
  return environment;
}

/**
 * A container gets at the file that its supervisor was executed from by /proc/self/exe (CVE-2019-5736). As long as that runs, nobody may
 * write to the file (ETXTBSY), but for Linux 6.11 and 6.12, which do not hold writers off. So the process tries, and where it could, it
 * begins again as a sealed copy of itself: that can be opened, but not be written to.
 */
export function keepWritersOff(s: SectionBuilder, own: string = OWN): void {
  const opened = s.get("can the own file be written to?", "openat", [AT_FDCWD, own, O.WRONLY | O.CLOEXEC, 0], ANY);
  s.skipIf(opened, "<", 0, () => {
    const seals = s.get("is it sealed?", "fcntl", [opened, F.GET_SEALS], ANY);
    s.call("close it", "close", [opened]);
    // A file that can have none answers with an errno.
    s.skipIf(seals, ">", -1, () => s.let(seals, 0));
    s.skipIf(seals, "&", F_SEAL_WRITE, () => executeSealed(s, OWN, argumentsFrom(0), ownEnvironment(s)));
  });
}
