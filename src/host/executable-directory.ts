import { UnsupportedError } from "../values/errors.ts";
import type { HostFacts } from "./facts.ts";
import { mountOf } from "./mountinfo.ts";
import { ensureDirectory, places } from "./places.ts";

/** Where what is written can be executed: /run is mounted noexec on many machines, and /dev/shm within Docker's containers. */
export function executableDirectory(facts: HostFacts): string {
  const { state, data } = places();
  for (const directory of ["/dev/shm", state, data])
    if (!mountOf(facts.mounts, directory)?.options.includes("noexec"))
      return directory === "/dev/shm" ? directory : ensureDirectory(directory);
  throw new UnsupportedError("running a program", `no place for it: ${state} and ${data} are mounted noexec`);
}
