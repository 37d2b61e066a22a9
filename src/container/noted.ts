import { dirname } from "node:path";
import type { StatePlan } from "../compile/job.ts";
import { connectionOf } from "../compile/network.ts";
import type { Spec } from "../compile/spec.ts";
import { formatIp } from "../network/address.ts";
import { formatPort } from "../network/ports.ts";
import { isDefaultProfile } from "../seccomp/profile.ts";
import type { Prepared } from "./prepare.ts";
import { type Noted, stateDirectory } from "./state.ts";

/** The default profile is noted by its name: its rules are many, and follow from the capabilities. */
function withoutDefaultProfile(spec: Spec): Pick<Noted, "spec" | "defaultSeccomp"> {
  const { seccomp, ...linux } = spec.linux ?? {};
  return seccomp && isDefaultProfile(seccomp)
    ? { spec: { ...spec, linux }, defaultSeccomp: true }
    : { spec, defaultSeccomp: false };
}

/** What is to be removed of its network, should its supervisor not do so. */
export function notedNetwork({
  job,
  network: { request, files },
}: Pick<Prepared, "job" | "network">): Pick<Noted, "network"> {
  const plan = job.network;
  if (!plan) return {};
  return {
    network: {
      ...(request && { name: request.network.name }),
      files,
      ...(request?.egress && { limited: true }),
      addresses: plan.inside.addresses.map(formatIp),
      ...(request?.ports.length && { ports: request.ports.map(formatPort) }),
      ...connectionOf(plan),
    },
  };
}

/** The state directory of a container that is about to be made, and what is noted in it. */
export function notedState(p: Prepared, command: readonly string[], o: { remove: boolean; log?: string }): StatePlan {
  const { name, cgroup, root } = p.job;
  const keep = root.kind === "overlay" ? root.keep : undefined;
  const noted: Noted = {
    name,
    command,
    createdAt: Date.now(),
    ...withoutDefaultProfile(p.spec),
    cgroup,
    ...notedNetwork(p),
    remove: o.remove,
    ...(o.log && { log: o.log }),
    ...(keep && { keep }),
  };
  return {
    directory: stateDirectory(name),
    json: JSON.stringify(noted, (_, v) => (typeof v === "bigint" ? Number(v) : v)),
    remove: o.remove,
    ...(o.log && { log: { path: o.log, directory: dirname(o.log) } }),
  };
}
