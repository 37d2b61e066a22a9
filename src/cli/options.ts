import { existsSync } from "node:fs";
import type { ContainerOptions } from "../container/options.ts";
import { profileNames } from "../container/profiles.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseExact } from "../values/exact.ts";
import type { UlimitValue } from "../values/ulimits.ts";
import { environment, environmentOptions, readLines } from "./environment.ts";
import { limitOptions, limits } from "./limits.ts";
import { mounts } from "./mounts.ts";
import { namespaceOptions, toIdMap, toNamespaces } from "./namespace-options.ts";
import { networkOptions, toHosts, toNetwork } from "./network-options.ts";
import { list, type OptionTable, pair, text, type Values } from "./option-table.ts";
import { stopLabels, stopOptions } from "./stopping.ts";
import { syscallOptions, toSyscalls } from "./syscall-options.ts";

/** Docker's names where Docker has one. */
export const containerOptions: OptionTable = {
  name: { type: "string", value: "NAME", help: "name it (default: twelve random digits)" },
  label: { type: "string", short: "l", multiple: true, value: "K[=V]", help: "a name and a value to find it by" },
  memory: { type: "string", short: "m", value: "SIZE", help: "memory limit, swap included: 512M" },
  cpus: { type: "string", value: "N", help: "CPUs' worth of time: 1.5" },
  "pids-limit": { type: "string", value: "N", help: "processes and threads at most; 0 is no limit" },
  ...limitOptions,
  "cgroup-parent": {
    type: "string",
    value: "GROUP",
    help: "a control group that it is in, with the limits of that (caisson group create)",
  },
  cgroups: {
    type: "string",
    value: "MODE",
    help: "account: count all it uses; delegate: let it manage groups, and containers, of its own",
  },
  ...environmentOptions,
  volume: {
    type: "string",
    short: "v",
    multiple: true,
    value: "SRC:DST[:OPTS]",
    help: "show a host directory or file in the container; OPTS: ro, nosuid, noexec, rslave, …",
  },
  mount: { type: "string", multiple: true, value: "SPEC", help: "type=bind|tmpfs,source=…,target=…[,readonly]" },
  tmpfs: { type: "string", multiple: true, value: "DST[:OPTS]", help: "an empty file system in memory" },
  "shm-size": { type: "string", value: "SIZE", help: "how much /dev/shm holds; 64M if not said" },
  "read-only": { type: "boolean", help: "make the root filesystem read-only" },
  workdir: { type: "string", short: "w", value: "DIR", help: "working directory" },
  user: { type: "string", short: "u", value: "USER[:GROUP]", help: "run as this user" },
  "group-add": { type: "string", multiple: true, value: "GROUP", help: "one more group" },
  umask: { type: "string", value: "MODE", help: "rights that new files do not have: 022" },
  hostname: { type: "string", short: "h", value: "NAME", help: "host name" },
  domainname: { type: "string", value: "NAME", help: "domain name, as NIS has it" },
  ...networkOptions,
  ...namespaceOptions,
  "cap-add": { type: "string", multiple: true, value: "CAP", help: "give a capability, or ALL" },
  "cap-drop": { type: "string", multiple: true, value: "CAP", help: "take a capability, or ALL" },
  "security-opt": {
    type: "string",
    multiple: true,
    value: "OPT",
    help: "seccomp=unconfined|FILE, no-new-privileges=false, apparmor=PROFILE, label=LABEL, systempaths=unconfined",
  },
  ...syscallOptions,
  ulimit: {
    type: "string",
    multiple: true,
    value: "NAME=SOFT[:HARD]",
    help: "a resource limit of each process: nofile=1024",
  },
  device: {
    type: "string",
    multiple: true,
    value: "DEV[:DST][:rwm]",
    help: "give a device of the host, or one by its CDI name: no others but the usual ones can be used then",
  },
  gpus: {
    type: "string",
    value: "all|N|device=ID,…",
    help: "give graphics processors: by number, PCI address or UUID",
  },
  privileged: { type: "boolean", help: "--profile privileged, by Docker's name" },
  profile: { type: "string", value: "NAME", help: `options for a purpose: ${profileNames.join(", ")}` },
  "path-ro": {
    type: "string",
    multiple: true,
    value: "PATH",
    help: "it can open this and what else is named so, to read",
  },
  "path-rw": { type: "string", multiple: true, value: "PATH", help: "the same, for anything" },
  sysctl: { type: "string", multiple: true, value: "K=V", help: "set a kernel parameter of its namespaces" },
  "oom-score-adj": { type: "string", value: "N", help: "-1000 to 1000: who is killed first when memory is short" },
  rootfs: { type: "string", value: "DIR[:O]", help: "a directory as the root filesystem; :O leaves it unchanged" },
  keep: { type: "boolean", help: "keep what it writes (caisson diff), its state and its log" },
  timeout: { type: "string", value: "TIME", help: "kill it after this long: 30s" },
  init: { type: "boolean", help: "a first process that reaps zombies and passes signals on" },
  tty: { type: "boolean", short: "t", help: "a terminal of its own" },
  interactive: { type: "boolean", short: "i", help: "keep standard input open (it always is; for Docker's sake)" },
  rootless: { type: "boolean", help: "do with what an unprivileged user may" },
  strict: { type: "boolean", help: "what cannot be applied is an error" },
  clock: { type: "string", multiple: true, value: "CLOCK=OFFSET", help: "shift a clock of its own: monotonic=+3d" },
};

export const runOptions: OptionTable = {
  ...containerOptions,
  detach: { type: "boolean", short: "d", help: "print the name and leave it running" },
  rm: { type: "boolean", help: "with --detach or --keep: remove all of it when it ends" },
  ...stopOptions,
  json: { type: "boolean", help: "print how it went, and its output, as JSON" },
};

/** A file as Docker and podman have them, or as an OCI spec has it. What is in it is checked with the other options. */
function profileOf(path: string): Exclude<ContainerOptions["seccomp"], string | undefined> {
  const text = readLines("--security-opt seccomp", path).join("\n");
  try {
    return parseExact(text) as Exclude<ContainerOptions["seccomp"], string | undefined>;
  } catch (e) {
    throw new InvalidOptionError("--security-opt seccomp", path, `a file of JSON (${(e as Error).message})`);
  }
}

const APPARMOR = "/sys/kernel/security/apparmor";

type Security = "seccomp" | "noNewPrivileges" | "apparmorProfile" | "selinuxLabel" | "unmask";

function security(v: Values): Pick<ContainerOptions, Security> {
  const out: { -readonly [K in Security]?: ContainerOptions[K] } = {};
  for (const s of list(v, "security-opt")) {
    const [key, value = "true"] = s.split(/[=:](.*)/s);
    if (key === "no-new-privileges" && (value === "true" || value === "false")) out.noNewPrivileges = value === "true";
    else if (key === "seccomp" && (value === "unconfined" || value === "default")) out.seccomp = value;
    else if (key === "seccomp") out.seccomp = profileOf(value);
    else if (key === "apparmor" && (value !== "unconfined" || existsSync(APPARMOR))) out.apparmorProfile = value;
    else if (key === "label" && value !== "disable") out.selinuxLabel = value;
    else if (key === "apparmor" || key === "label")
      continue; // Where there is no such module, there is nothing to be free of.
    else if (key === "systempaths" && value === "unconfined") out.unmask = true;
    else
      throw new InvalidOptionError(
        "--security-opt",
        s,
        "seccomp=unconfined, seccomp=FILE, no-new-privileges=true|false, apparmor=PROFILE, label=LABEL or systempaths=unconfined",
      );
  }
  return out;
}

export function ulimits(v: Values): Record<string, readonly [UlimitValue, UlimitValue]> {
  const one = (s: string): UlimitValue => (s === "unlimited" || s === "-1" ? "unlimited" : Number(s));
  return Object.fromEntries(
    list(v, "ulimit").map((s) => {
      const [name, value] = pair("--ulimit", s);
      if (!/^(\d+|-1|unlimited)(:(\d+|-1|unlimited))?$/.test(value))
        throw new InvalidOptionError("--ulimit", s, "of the form name=SOFT[:HARD], with whole numbers or unlimited");
      const [soft = "", hard = soft] = value.split(":");
      return [name, [one(soft), one(hard)] as const];
    }),
  );
}

/** Docker's 0 is no limit. */
const limited = (value: string | undefined) => (value === "0" ? undefined : value);

/** The words of the command line as the library's options. */
export function toContainerOptions(v: Values): ContainerOptions {
  const m = mounts(v);
  const rootfs = text(v, "rootfs");
  const set: [keyof ContainerOptions, unknown][] = [
    ["name", text(v, "name")],
    ["labels", labels(v)],
    ["memory", limited(text(v, "memory"))],
    ["cpus", limited(text(v, "cpus"))],
    ["pidsLimit", text(v, "pids-limit") === "-1" ? undefined : limited(text(v, "pids-limit"))],
    ["limits", limits(v)],
    ["cgroupParent", text(v, "cgroup-parent")],
    ["cgroups", choice("--cgroups", text(v, "cgroups"), ["auto", "account", "delegate"])],
    ["env", environment(v)],
    ["volumes", m.volumes],
    ["tmpfs", Object.keys(m.tmpfs).length ? m.tmpfs : undefined],
    ["readOnly", v["read-only"]],
    ["workdir", text(v, "workdir")],
    ["user", text(v, "user")],
    ["groups", v["group-add"]],
    ["hostname", text(v, "hostname")],
    ["domainname", text(v, "domainname")],
    ["network", toNetwork(v)],
    ["hosts", toHosts(v)],
    ["namespaces", toNamespaces(v)],
    ["idMap", toIdMap(v)],
    ["pod", text(v, "pod")],
    ["capAdd", v["cap-add"]],
    ["capDrop", v["cap-drop"]],
    ...toSyscalls(v),
    ["ulimits", v["ulimit"] === undefined ? undefined : ulimits(v)],
    ["devices", v["device"]],
    ["gpus", gpus(text(v, "gpus"))],
    ["profile", profile(v)],
    ["umask", umask(text(v, "umask"))],
    ["paths", paths(v)],
    ["sysctls", Object.fromEntries(list(v, "sysctl").map((s) => pair("--sysctl", s)))],
    ["oomScoreAdj", number("--oom-score-adj", text(v, "oom-score-adj"), -1000, 1000)],
    ["rootfs", rootfs?.endsWith(":O") ? { overlay: rootfs.slice(0, -2) } : rootfs],
    ["keep", v["keep"]],
    ["timeout", text(v, "timeout")],
    ["init", v["init"]],
    ["tty", v["tty"]],
    ["rootless", v["rootless"]],
    ["strict", v["strict"]],
    ["clock", v["clock"] && Object.fromEntries(list(v, "clock").map((s) => pair("--clock", s)))],
    ...(Object.entries(security(v)) as [keyof ContainerOptions, unknown][]),
  ];
  return Object.fromEntries(set.filter(([, value]) => value !== undefined));
}

function labels(v: Values): ContainerOptions["labels"] {
  const given = list(v, "label").map((s) => (s.includes("=") ? pair("--label", s) : ([s, ""] as const)));
  const all = { ...Object.fromEntries(given), ...stopLabels(v) };
  return Object.keys(all).length ? all : undefined;
}

function profile(v: Values): string | undefined {
  const given = text(v, "profile");
  if (!v["privileged"]) return given;
  if (given !== undefined && given !== "privileged")
    throw new InvalidOptionError("--profile", given, "given with --privileged, which is a profile itself");
  return "privileged";
}

function umask(value: string | undefined): number | undefined {
  if (value !== undefined && !/^[0-7]{1,4}$/.test(value))
    throw new InvalidOptionError("--umask", value, "an octal number such as 022");
  return value === undefined ? undefined : Number.parseInt(value, 8);
}

function gpus(value: string | undefined): ContainerOptions["gpus"] {
  if (value === undefined || value === "all") return value;
  if (/^\d+$/.test(value)) return Number(value);
  // Docker has it in quotes, against the comma.
  const [, ids] = /^"?device=([^"]+)"?$/.exec(value) ?? [];
  if (ids === undefined) throw new InvalidOptionError("--gpus", value, "all, a number, or device=ID,…");
  return ids.split(",");
}

function paths(v: Values): ContainerOptions["paths"] {
  const [readOnly, readWrite] = [v["path-ro"] as string[] | undefined, v["path-rw"] as string[] | undefined];
  return readOnly || readWrite ? { readOnly: readOnly ?? [], readWrite: readWrite ?? [] } : undefined;
}

function choice(field: string, value: string | undefined, allowed: readonly string[]): string | undefined {
  if (value !== undefined && !allowed.includes(value)) throw new InvalidOptionError(field, value, allowed.join(" or "));
  return value;
}

function number(field: string, value: string | undefined, from: number, to: number): number | undefined {
  if (value === undefined) return undefined;
  const n = Number(value);
  if (!Number.isInteger(n) || n < from || n > to)
    throw new InvalidOptionError(field, value, `a whole number from ${from} to ${to}`);
  return n;
}
