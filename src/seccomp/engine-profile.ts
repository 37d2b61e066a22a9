import type { Seccomp } from "../compile/spec.ts";
import type { Arch } from "../kernel/arch.ts";
import { nativeArchitecture } from "./architectures.ts";
import type { EngineProfile } from "./schema.ts";

/** What conditions are about: the machine, and the capabilities that the container can have at most. */
export type Circumstances = {
  readonly arch: Arch;
  readonly kernel: readonly number[];
  readonly bounding: readonly string[];
};

type Rule = NonNullable<EngineProfile["syscalls"]>[number];
type Condition = NonNullable<Rule["includes"]>;

/** As Go names them, which engines are written in. */
const goNames: Readonly<Record<Arch, string>> = { x86_64: "amd64", aarch64: "arm64" };

function isAtLeast(c: Circumstances, version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [ownMajor = 0, ownMinor = 0] = c.kernel;
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** `includes`: all that is said must hold. */
const isIncluded = (c: Circumstances, { arches, caps, minKernel }: Condition): boolean =>
  (!arches?.length || arches.includes(goNames[c.arch])) &&
  (caps ?? []).every((cap) => c.bounding.includes(cap)) &&
  (minKernel === undefined || isAtLeast(c, minKernel));

/** `excludes`: any of it is enough. */
const isExcluded = (c: Circumstances, { arches, caps, minKernel }: Condition): boolean =>
  (arches ?? []).includes(goNames[c.arch]) ||
  (caps ?? []).some((cap) => c.bounding.includes(cap)) ||
  (minKernel !== undefined && isAtLeast(c, minKernel));

/** A file of Docker's or podman's as the rules that it comes to here. moby/profiles: seccomp/seccomp.go. */
export function plainProfile({ archMap, syscalls, ...rest }: EngineProfile, c: Circumstances): Seccomp {
  const own = archMap?.find((m) => m.architecture === nativeArchitecture(c.arch).name);
  const rules = (syscalls ?? []).filter(
    (r) => isIncluded(c, r.includes ?? {}) && !isExcluded(c, r.excludes ?? {}) && (r.name || r.names?.length),
  );
  return {
    ...rest,
    ...(own && { architectures: [own.architecture, ...(own.subArchitectures ?? [])] }),
    syscalls: rules.map(({ name, names, action, errnoRet, args }) => ({
      names: names?.length ? names : [name ?? ""],
      action,
      ...(errnoRet !== undefined && { errnoRet }),
      ...(args && { args }),
    })),
  } as Seccomp;
}
