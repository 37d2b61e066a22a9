import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Spec } from "../../compile/spec.ts";
import { readOr } from "../../host/files.ts";
import { CLONE } from "../../kernel/flags.ts";
import { codeOf } from "../../values/code-of.ts";
import { RuntimeError } from "../places.ts";
import { FD } from "./conversation.ts";

/** criu(8): the oldest that knows all words that it is given here. */
const OLDEST = [3, 16] as const;

/** What `checkpoint` and `restore` have alike: the options of criu by their own names, where nothing is to be said of them here. */
export type CriuOptions = {
  readonly images: string;
  readonly work: string;
  readonly tcpEstablished: boolean;
  readonly extUnixSk: boolean;
  readonly shellJob: boolean;
  readonly fileLocks: boolean;
  readonly autoDedup: boolean;
  readonly manageCgroups: string;
  readonly emptyNs: readonly string[];
  readonly lazyPages: boolean;
};

/** enum criu_cg_mode of criu's rpc.proto. */
const MODES: Readonly<Record<string, number>> = { ignore: 0, props: 2, soft: 3, full: 4, strict: 5 };
const MOST_IS_SAID = 4;

/** A file of criu's own options, which have precedence: one of the container's, or that which runc has for all. */
function configFile(spec: Spec): string | undefined {
  const file = spec.annotations?.["org.criu.config"] ?? "/etc/criu/runc.conf";
  return existsSync(file) ? file : undefined;
}

export function criuOptions(o: CriuOptions, spec: Spec) {
  const config = configFile(spec);
  const manageCgroupsMode = Object.hasOwn(MODES, o.manageCgroups) ? MODES[o.manageCgroups] : undefined;
  if (manageCgroupsMode === undefined)
    throw new RuntimeError(
      `--manage-cgroups-mode: ${JSON.stringify(o.manageCgroups)} is not one of ${Object.keys(MODES).join(", ")}`,
    );
  const other = o.emptyNs.find((kind) => kind !== "network");
  if (other !== undefined)
    throw new RuntimeError(`--empty-ns: ${JSON.stringify(other)} is not network, which criu can leave empty`);
  const { tcpEstablished, extUnixSk, shellJob, fileLocks, autoDedup, lazyPages } = o;
  return {
    ...{ imagesDirFd: FD.images, workDirFd: FD.work, logLevel: MOST_IS_SAID, manageCgroupsMode },
    ...{ tcpEstablished, extUnixSk, shellJob, fileLocks, autoDedup, lazyPages },
    ...(o.emptyNs.length && { emptyNs: CLONE.NEWNET }),
    ...(config !== undefined && { configFile: config }),
  };
}

/** Where criu is; one of a version that understands us. */
export function findCriu(name: string): string {
  const places = name.includes("/")
    ? [resolve(name)]
    : (process.env["PATH"] ?? "").split(":").map((d) => join(d, name));
  const path = places.find((p) => existsSync(p));
  if (path === undefined)
    throw new RuntimeError(`criu: ${name} is not installed: checkpoint and restore need it; --criu names another`);
  const { stdout, error } = spawnSync(path, ["--version"], { encoding: "utf8" });
  if (error) throw new RuntimeError(`criu: ${path}: ${codeOf(error)}`);
  const [, major = 0, minor = 0] = (/Version: (\d+)\.(\d+)/.exec(stdout) ?? []).map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw new RuntimeError(`criu: ${path} is of version ${major}.${minor}; ${OLDEST.join(".")} or later is needed`);
  return path;
}

/** "(00.512247) Error (criu/files-reg.c:1710): Can't lookup…": the first that is said is the cause of the others. */
export function causeIn(log: string): string {
  const text = readOr(log) ?? "";
  const [, cause] = /^(?:\([\d.]+\) +(?:\d+: )?)?Error \([^)\r\n]*\): (.*)$/m.exec(text) ?? [];
  return cause?.trim() ?? "it said nothing of why";
}
