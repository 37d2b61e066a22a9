import type { CapabilitySets, Process, User } from "../compile/spec.ts";
import { type Say, withoutUnknown } from "./capabilities.ts";
import { parseJson, parseProcess, readText } from "./config.ts";
import { RuntimeError } from "./places.ts";
import type { Container } from "./state.ts";

export type ExecOptions = {
  readonly process: string | undefined;
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly tty: boolean;
  readonly user: string | undefined;
  readonly additionalGids: readonly string[];
  readonly cap: readonly string[];
  readonly noNewPrivileges: boolean | undefined;
  readonly apparmor: string | undefined;
  readonly label: string | undefined;
  readonly cgroup: readonly string[];
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
  readonly pidfdSocket?: string | undefined;
  readonly detach: boolean;
  readonly preserve: number;
  readonly ignorePaused: boolean;
};

function idOf(field: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new RuntimeError(`${field}: ${JSON.stringify(text)} is not a number`);
  return Number(text);
}

function userOf(o: ExecOptions, own: User): User {
  if (o.user === undefined && o.additionalGids.length === 0) return own;
  const [uid, gid] = (o.user ?? "").split(":");
  return {
    ...own,
    ...(uid && { uid: idOf("--user", uid), gid: gid ? idOf("--user", gid) : own.gid }),
    ...(o.additionalGids.length && { additionalGids: o.additionalGids.map((t) => idOf("--additional-gids", t)) }),
  };
}

/** Capabilities that are given besides, in the sets that a command keeps them in. */
function withCapabilities(sets: CapabilitySets | undefined, extra: readonly string[]): CapabilitySets {
  const names = extra.map((given) => given.toUpperCase().replace(/^(?!CAP_)/, "CAP_"));
  const add = (list: readonly string[] = []) => [...new Set([...list, ...names])];
  return names.length === 0
    ? (sets ?? {})
    : {
        ...sets,
        bounding: add(sets?.bounding),
        effective: add(sets?.effective),
        permitted: add(sets?.permitted),
        // Only what is inheritable can be ambient; where nothing is, it was not meant.
        ...(sets?.inheritable?.length && { ambient: add(sets.ambient) }),
      };
}

/** The process file as it is, or the container's own process with what the options change. */
export function processOf(c: Container, o: ExecOptions, command: readonly string[], say: Say): Process {
  if (o.process !== undefined) {
    const given = parseProcess(parseJson(readText(o.process, true), o.process), say);
    return o.tty ? { ...given, terminal: true } : given;
  }
  if (o.cwd !== undefined && !o.cwd.startsWith("/"))
    throw new RuntimeError(`--cwd: ${JSON.stringify(o.cwd)} is not an absolute path`);
  if (command.length === 0) throw new RuntimeError("COMMAND: required, but missing");
  const own = c.saved.spec.process as Process;
  const process = {
    ...own,
    args: command,
    terminal: o.tty,
    cwd: o.cwd ?? own.cwd,
    env: [...(own.env ?? []), ...o.env],
    user: userOf(o, own.user),
    capabilities: withCapabilities(own.capabilities, o.cap),
    ...(o.noNewPrivileges !== undefined && { noNewPrivileges: o.noNewPrivileges }),
    ...(o.apparmor !== undefined && { apparmorProfile: o.apparmor }),
    ...(o.label !== undefined && { selinuxLabel: o.label }),
  };
  return withoutUnknown(process, say);
}
