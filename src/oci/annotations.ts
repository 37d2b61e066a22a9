import { resolve } from "node:path";
import type { Spec } from "../compile/spec.ts";

// What engines say to crun beside the specification: crun(1) "EXTENSIONS TO OCI".

type Annotated = Pick<Spec, "annotations">;

const said = ({ annotations }: Annotated, name: string): string | undefined => annotations?.[`run.oci.${name}`];

/** Where hooks print to: standard output, standard error. */
export const filesForHooks = (bundle: string, spec: Annotated) =>
  ["stdout", "stderr"].map((name) => {
    const file = said(spec, `hooks.${name}`);
    return file ? resolve(bundle, file) : undefined;
  });

/** The socket that gets a descriptor of the first process. */
export const pidfdReceiver = (spec: Annotated): string | undefined => said(spec, "pidfd_receiver");

/** The socket that gets the listener of a filter, where the configuration names none. */
export function withReceiver(spec: Spec): Spec {
  const listenerPath = said(spec, "seccomp.receiver");
  const { linux } = spec;
  return listenerPath === undefined || !linux?.seccomp || linux.seccomp.listenerPath !== undefined
    ? spec
    : { ...spec, linux: { ...linux, seccomp: { ...linux.seccomp, listenerPath } } };
}

/** Whether a filter may name no system call that is known to nobody. */
export const knowsAllCalls = (spec: Annotated): boolean => (said(spec, "seccomp_fail_unknown_syscall") ?? "0") !== "0";
