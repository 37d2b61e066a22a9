import { AT, AT_FDCWD, F, F_SEAL_ALL, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "./builder.ts";
import { type Loose, stringArray } from "./values.ts";

const MFD = { CLOEXEC: 1, ALLOW_SEALING: 2, EXEC: 0x10 } as const;
const LIMIT = 1 << 26;

/**
 * The process executes a copy of a file, in memory, that nobody can write to. memfd_create(2), F_ADD_SEALS of fcntl(2). From Linux 6.3 on a
 * machine may make what is in memory not executable where it is not asked for (vm.memfd_noexec).
 */
export function executeSealed(s: SectionBuilder, path: string, argv: Loose, envp?: Loose): void {
  const flags = MFD.CLOEXEC | MFD.ALLOW_SEALING;
  const copy = s.get("make a file in memory", "memfd_create", ["caisson", flags | MFD.EXEC], { ignore: ["EINVAL"] });
  s.skipIf(copy, ">", -1, () =>
    s.call("make it on an older kernel", "memfd_create", ["caisson", flags], { result: copy }),
  );
  const own = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0]);
  s.call("copy it", "sendfile", [copy, own, 0, LIMIT]);
  s.call("seal the copy", "fcntl", [copy, F.ADD_SEALS, F_SEAL_ALL]);
  s.call("execute the copy", "execveat", [copy, "", argv, envp ?? stringArray("envp", []), AT.EMPTY_PATH]);
}
