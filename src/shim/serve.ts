import { rmSync } from "node:fs";
import { join } from "node:path";
import { put } from "../host/output.ts";
import { AT_FDCWD, LOCK, O } from "../kernel/flags.ts";
import { launcher } from "../program/launcher.ts";
import { performed } from "./launch.ts";
import { type Served, shimDirectory, socketOf } from "./places.ts";
import { services } from "./service.ts";
import { listen } from "./ttrpc/server.ts";

/** A shim that has nothing to do stays that long for the next container: most come one after the other. */
const LINGER_MS = 5000;
const FLUSH_MS = 2000;
const CALM_MS = 1000;
const READY = "ready\n";

/** The lock is the launcher's, which ends with this process: so only one serves, and a socket that is there is ours. */
async function takeTurn(directory: string): Promise<boolean> {
  const { made, value } = await performed("shim", (s) => {
    const path = join(directory, "lock");
    const lock = s.get("open the lock", "openat", [AT_FDCWD, path, O.RDWR | O.CREAT | O.CLOEXEC, 0o600]);
    return s.get("hold the lock", "flock", [lock, LOCK.EX | LOCK.NB], { ignore: ["EAGAIN"] });
  });
  return value(made) === 0;
}

/** What is kept for long should be little: a while after the last call, memory that only calls needed is given back. */
function tidier(): () => void {
  const { Bun: engine } = globalThis as { Bun?: { gc(force: boolean): void } };
  let timer: NodeJS.Timeout | undefined;
  return () => {
    clearTimeout(timer);
    if (engine) timer = setTimeout(() => engine.gc(true), CALM_MS);
  };
}

/** Serves all containers of a namespace of a containerd, until there are none. */
export async function serve(served: Served): Promise<number> {
  const directory = shimDirectory(served);
  if (!(await takeTurn(directory))) return 0;
  // What goes wrong with one container must not be the end of all others: containerd removes them if this process ends.
  for (const event of ["uncaughtException", "unhandledRejection"])
    process.on(event, (e: unknown) => put(2, `${e instanceof Error ? e.stack : String(e)}\n`));
  const socket = socketOf(directory);
  rmSync(socket, { force: true });
  let last: NodeJS.Timeout | undefined;
  let over: () => void = () => {};
  const end = new Promise<void>((resolve) => {
    over = resolve;
  });
  const { methods, flush } = services({
    namespace: served.namespace,
    idle() {
      clearTimeout(last);
      last = setTimeout(over, LINGER_MS);
    },
  });
  const tidy = tidier();
  const wake: typeof methods = Object.fromEntries(
    Object.entries(methods).map(([name, perform]) => [
      name,
      (payload: Uint8Array) => {
        if (name.endsWith("/Reserve")) clearTimeout(last);
        tidy();
        return perform(payload);
      },
    ]),
  );
  await listen(socket, wake);
  put(1, READY);
  await end;
  // Who connects from here on is refused, and starts another.
  rmSync(socket, { force: true });
  await flush(FLUSH_MS);
  launcher().close();
  // Connections that containerd has not closed yet would keep it.
  process.exit(0);
}
