import { join } from "node:path";
import { NOTIFY } from "../compile/runtime/lifecycle.ts";
import { listenForReady, passReadiness } from "../compile/runtime/sd-notify.ts";
import type { Mount, Process, Spec } from "../compile/spec.ts";
import { performSteps } from "../program/steps.ts";
import { RuntimeError } from "./places.ts";
import type { Container } from "./state.ts";

/** Where the container has the socket if the manager's has no place in the file system. */
const ELSEWHERE = "/run/notify";

/** The service manager's socket: sd_notify(3). What is neither a path nor abstract, as `vsock:`, is not of this machine. */
export function managerSocket(): string | undefined {
  const socket = process.env["NOTIFY_SOCKET"];
  return socket !== undefined && /^[/@]./.test(socket) ? socket : undefined;
}

/**
 * A directory in the place of the manager's socket, with one of ours in it: the manager would not listen to a process of
 * another control group.
 */
export function withNotify(
  spec: Spec,
  command: Process,
  socket: string,
  directory: string,
): { spec: Spec; command: Process } {
  const destination = socket.startsWith("/") ? socket : ELSEWHERE;
  const mount: Mount = {
    destination,
    type: "bind",
    source: join(directory, NOTIFY.directory),
    options: ["bind", "ro", "nosuid", "nodev", "noexec"],
  };
  const env = (command.env ?? []).filter((e) => !e.startsWith("NOTIFY_SOCKET="));
  return {
    spec: { ...spec, mounts: [...(spec.mounts ?? []), mount] },
    command: { ...command, env: [...env, `NOTIFY_SOCKET=${destination}/${NOTIFY.socket}`] },
  };
}

/** For `start`: begins to listen, before the command can say anything; gives what waits for its word and passes it on. */
export async function listening(c: Container): Promise<(() => Promise<void>) | undefined> {
  const to = managerSocket();
  const pid = c.init?.pid;
  if (to === undefined || pid === undefined) return undefined;
  const done = await performSteps((s) => {
    const pidfd = s.get("find the first process", "pidfd_open", [pid, 0]);
    return { socket: listenForReady(s, c.directory), pidfd };
  });
  if (done.failure) throw new RuntimeError(`NOTIFY_SOCKET: listen in ${c.directory}: errno ${done.failure.errno}`);
  const [socket, pidfd] = [done.value(done.made.socket), done.value(done.made.pidfd)];
  return async () => {
    await performSteps((s) => passReadiness(s, { socket, pidfd, to, pid }));
  };
}
