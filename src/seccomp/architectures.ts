import { type Arch, parseTable, syscallTable } from "../kernel/arch.ts";
import { arm, i386 } from "../kernel/syscalls-32.ts";

/** An architecture of a filter: its name in OCI specs and AUDIT_ARCH_* of linux/audit.h. */
export type SeccompArch = {
  readonly name: string;
  readonly audit: number;
  readonly table: () => ReadonlyMap<string, number>;
};

const once = (text: string) => {
  let table: ReadonlyMap<string, number> | undefined;
  return () => {
    table ??= parseTable(text);
    return table;
  };
};

const x64: SeccompArch = { name: "SCMP_ARCH_X86_64", audit: 0xc000003e, table: () => syscallTable("x86_64") };
const arm64: SeccompArch = { name: "SCMP_ARCH_AARCH64", audit: 0xc00000b7, table: () => syscallTable("aarch64") };

export const architectures: readonly SeccompArch[] = [
  x64,
  { name: "SCMP_ARCH_X86", audit: 0x40000003, table: once(i386) },
  arm64,
  { name: "SCMP_ARCH_ARM", audit: 0x40000028, table: once(arm) },
];

export const nativeArchitecture = (arch: Arch): SeccompArch => (arch === "x86_64" ? x64 : arm64);

/** Whether a system call of this name is known on any architecture. Where this one lacks it, it is never made. */
export const isSyscallName = (name: string): boolean => architectures.some((a) => a.table().has(name));
