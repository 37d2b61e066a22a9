import { connectionOf } from "../compile/network-plan.ts";
import { formatIp } from "../network/address.ts";
import { formatPort } from "../network/ports.ts";
import type { Prepared } from "./prepare.ts";
import type { Noted } from "./state.ts";

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
