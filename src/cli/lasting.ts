import { dirname } from "node:path";
import type { Prepared } from "../container/prepare.ts";
import { isCompiled } from "../host/compiled.ts";
import { places } from "../host/places.ts";
import { DIRECTORY } from "../remember/places.ts";
import { list, type Values } from "./option-table.ts";

/** Options whose effect follows from their words, and from what `conditions` has. Others look at more of the machine. */
const OPTIONS = new Set(
  `name memory memory-reservation memory-swap cpus cpu-weight pids-limit cgroups env volume mount tmpfs read-only workdir user
  group-add hostname network cap-add cap-drop security-opt ulimit sysctl oom-score-adj rootfs timeout init interactive rm`.split(
    /\s+/,
  ),
);

/** Whether mounts are where they were asked for: links in the root may lead elsewhere the next time. */
const hasOwnPlaces = ({ options, spec }: Prepared): boolean =>
  Object.keys({ ...options.volumes, ...options.tmpfs }).every((d) => spec.mounts?.some((m) => m.destination === d));

/** Whether the same words would give the same program again, were the machine the same. */
export function isLasting(v: Values, p: Prepared): boolean {
  const { job, facts } = p;
  return (
    isCompiled() &&
    facts.uid === 0 &&
    !facts.userNamespace &&
    dirname(DIRECTORY) === dirname(places().state) &&
    Object.keys(v).every((name) => OPTIONS.has(name)) &&
    list(v, "env").every((e) => e.includes("=")) &&
    !list(v, "security-opt").some((s) => /^seccomp[=:](?!unconfined$|default$)/.test(s)) &&
    (v["network"] === undefined || v["network"] === "none" || v["network"] === "host") &&
    v["cgroups"] !== "delegate" &&
    p.notApplied.length === 0 &&
    hasOwnPlaces(p) &&
    job.claims === undefined &&
    job.files === undefined
  );
}
