import { existsSync, readFileSync } from "node:fs";
import { knownDevices } from "../cdi/edits.ts";
import { CDI_DIRECTORIES, readCdi } from "../cdi/files.ts";
import { hierarchyOf, whyMissing } from "../cgroups/layout.ts";
import { layout } from "../cgroups/look.ts";
import { allControllers } from "../cgroups/table.ts";
import { restrictsUserNamespaces } from "../container/hints.ts";
import type { ContainerOptions } from "../container/options.ts";
import { run } from "../container/run.ts";
import { hostFacts, kernelAtLeast } from "../host/facts.ts";
import { findGpus } from "../host/gpus.ts";
import { executor } from "../program/executor.ts";
import { print, table } from "./output.ts";

type Finding = { readonly feature: string; readonly ok: boolean; readonly why: string };

const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8").trim() : undefined);

function namespaces(): Finding[] {
  return ["mnt", "uts", "ipc", "pid", "net", "user", "cgroup", "time"].map((kind) => {
    const ok = existsSync(`/proc/self/ns/${kind}`);
    return { feature: `${kind} namespace`, ok, why: ok ? "the kernel has it" : "the kernel was built without it" };
  });
}

function controllers(): Finding[] {
  const found = layout();
  return [
    { feature: "control groups", ok: found.kind !== "none", why: `layout: ${found.kind}` },
    ...allControllers().map((c) => {
      const where = hierarchyOf(found, c);
      return {
        feature: `${c.name} controller`,
        ok: where !== undefined,
        why: where ? `${where.version} at ${where.top}` : whyMissing(found, c),
      };
    }),
  ];
}

const findFile = (paths: readonly string[]) => paths.find((p) => existsSync(p));

/** Kernel parts of networks, by what loaded or built-in code shows of itself. */
function networks(): Finding[] {
  const filter =
    existsSync("/proc/net/netfilter/nf_log") ||
    existsSync("/proc/net/nf_conntrack") ||
    existsSync("/proc/sys/net/netfilter");
  const ipv6 = existsSync("/proc/sys/net/ipv6");
  const forward = read("/proc/sys/net/ipv4/ip_forward") === "1";
  return [
    {
      feature: "packet filter (nf_tables)",
      ok: filter,
      why: filter ? "the kernel has netfilter" : "no netfilter, or its modules are not loaded",
    },
    { feature: "IPv6", ok: ipv6, why: ipv6 ? "the kernel has it" : "off, or not built in: networks are IPv4 alone" },
    {
      feature: "forwarding",
      ok: true,
      why: forward ? "on" : "off: it is switched on with the first container of a bridge",
    },
  ];
}

/** Programs that do what the kernel lets nobody else do, or what others have written. */
function helpers(): Finding[] {
  const rows: [feature: string, paths: string[], gives: string][] = [
    ["newuidmap", ["/usr/bin/newuidmap"], "ids of /etc/subuid for users; Debian's package uidmap has it"],
    ["pasta", ["/usr/bin/pasta", "/usr/local/bin/pasta"], "a network for users; Debian's package passt has it"],
    [
      "CNI plugins",
      ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"],
      "--network cni:NAME; Debian's package containernetworking-plugins has them",
    ],
  ];
  return rows.map(([feature, paths, gives]) => {
    const found = findFile(paths);
    return { feature, ok: found !== undefined, why: found ?? `missing: for ${gives}` };
  });
}

function devices(): Finding[] {
  const gpus = findGpus();
  const cdi = readCdi();
  const known = knownDevices(cdi);
  return [
    {
      feature: "graphics processors",
      ok: gpus.length > 0,
      why: gpus.map((g, i) => `${i}: ${g.model ?? g.driver} at ${g.address}`).join("; ") || "no driver has found one",
    },
    {
      feature: "CDI devices",
      ok: cdi.errors.length === 0 && known.length > 0,
      why: cdi.errors[0]?.message ?? (known.join(", ") || `no file in ${CDI_DIRECTORIES.join(" or ")}`),
    },
  ];
}

/** Some things can only be known by trying. */
async function trial(feature: string, options: ContainerOptions): Promise<Finding> {
  try {
    const r = await run(["/bin/true"], { ...options, timeout: "10s" });
    return { feature, ok: r.exitCode === 0, why: r.exitCode === 0 ? "tried" : `tried: exit status ${r.exitCode}` };
  } catch (e) {
    return { feature, ok: false, why: e instanceof Error ? e.message : String(e) };
  }
}

/** What somebody who is not root can limit, and by whose leave. */
function limitsOfUser(): string {
  const { v2 } = layout();
  if (!v2?.controllers.length) return "as a user: no control groups";
  return `as a user: limits of ${v2.controllers.join(", ")}, by ${v2.scope ? "the systemd of this user" : "a group that is delegated"}`;
}

async function findings(): Promise<Finding[]> {
  const facts = hostFacts();
  const restricted = restrictsUserNamespaces();
  const userns = read("/proc/sys/kernel/unprivileged_userns_clone");
  return [
    {
      feature: "kernel",
      ok: kernelAtLeast(facts, 5, 12),
      why: `${facts.kernel.join(".")}; 5.12 is needed (mount_setattr)`,
    },
    { feature: "executor", ok: executor().length > 0, why: `${executor().length} bytes` },
    {
      feature: "root",
      ok: facts.uid === 0,
      why: facts.uid === 0 ? "limits can be set" : limitsOfUser(),
    },
    ...namespaces(),
    {
      feature: "seccomp filters",
      ok: existsSync("/proc/sys/kernel/seccomp"),
      why: read("/proc/sys/kernel/seccomp/actions_avail") ?? "the kernel lacks them",
    },
    ...controllers(),
    ...networks(),
    ...helpers(),
    ...devices(),
    {
      feature: "user namespaces for all users",
      ok: userns !== "0" && !restricted,
      why:
        userns === "0"
          ? "kernel.unprivileged_userns_clone is 0"
          : restricted
            ? 'AppArmor restricts them to programs that have a profile with "userns,"'
            : "allowed",
    },
    await trial("a container on a view of this root", {}),
    await trial("the same in a user namespace", { rootless: true }),
    await trial("a time namespace", { clock: { monotonic: 1 } }),
    await trial("paths limited by Landlock", { paths: { readOnly: ["/"] } }),
    await trial("answering system calls", { onSyscall: { mkdirat: () => "continue" } }),
    ...(facts.uid === 0
      ? [
          await trial("a root with mapped ids", { namespaces: { user: "auto" }, strict: true }),
          await trial("the inside view (fanotify)", { view: true }),
        ]
      : []),
  ];
}

export async function doctor(json: boolean): Promise<number> {
  const found = await findings();
  if (json) print(JSON.stringify(found));
  else
    print(
      table(
        ["", "FEATURE", "WHY"],
        found.map((f) => [f.ok ? "yes" : "NO", f.feature, f.why]),
      ),
    );
  return found.some((f) => f.feature === "kernel" && !f.ok) ? 1 : 0;
}
