import { performRules } from "../../compile/network.ts";
import { errnoName } from "../../kernel/errno.ts";
import { performSteps } from "../../program/steps.ts";
import { CaissonError } from "../../values/errors.ts";
import { BITS, parseIp } from "../address.ts";
import type { AllowedName } from "../egress.ts";
import { allowTargets, type Target } from "../firewall.ts";

/** A connection may last longer than an answer holds. */
const MINIMUM_MS = 3_600_000;

/** Until when an address may be reached, by container, address, protocol and port. */
const until = new Map<string, number>();

/** Lets a container reach what it has just looked up: the answer is given once the kernel knows. */
export async function allowAnswer(
  container: string,
  allowed: readonly AllowedName[],
  addresses: readonly { ip: string; ttl: number }[],
): Promise<void> {
  const now = Date.now();
  const fresh: Target[] = [];
  for (const { ip, ttl } of addresses) {
    const parsed = parseIp(ip);
    if (!parsed) continue;
    for (const { protocol, port } of allowed) {
      const timeout = Math.max(MINIMUM_MS, ttl * 1000);
      const key = `${container} ${ip} ${protocol ?? ""} ${port ?? ""}`;
      if ((until.get(key) ?? 0) - now > timeout / 2) continue;
      until.set(key, now + timeout);
      const subnet = { ...parsed, prefix: BITS[parsed.family] };
      fresh.push({ subnet, timeout, ...(protocol && { protocol }), ...(port !== undefined && { port }) });
    }
  }
  if (fresh.length === 0) return;
  const requests = allowTargets(container, fresh);
  const done = await performSteps((s) =>
    performRules(s, { label: `let ${container} reach what it looked up`, requests }),
  );
  if (done.failure) {
    for (const key of until.keys()) if (key.startsWith(`${container} `)) until.delete(key);
    throw new CaissonError(`the rules of ${container}: ${errnoName(done.failure.errno)}`);
  }
}
