import { identityOf, isDead } from "../host/identity.ts";

/**
 * A supervisor tells of its own end, unless somebody kills it, or the kernel does for want of memory: its parent, the
 * launcher, is not told of that while it waits for programs. So now and then all of them are looked at.
 */
const LOOK_MS = 500;

type Watched = { readonly gone: () => void; wasZombie: boolean };
const watched = new Map<number, Watched>();
let timer: NodeJS.Timeout | undefined;

function isOver(pid: number): boolean {
  try {
    const now = identityOf(pid);
    return now === undefined || isDead(now);
  } catch {
    // Without a descriptor to look with (EMFILE) nothing is known of it.
    return false;
  }
}

function look(): void {
  for (const [pid, w] of watched) {
    if (!isOver(pid)) continue;
    // What it has said may not have been read yet: so it is gone only if it still is the next time.
    if (w.wasZombie) {
      watched.delete(pid);
      w.gone();
    }
    w.wasZombie = true;
  }
  if (watched.size === 0) {
    clearInterval(timer);
    timer = undefined;
  }
}

/** Calls back once the process has ended, and nobody has stopped watching it for a while: it said nothing. */
export function watchSupervisor(pid: number, gone: () => void): () => void {
  watched.set(pid, { gone, wasZombie: false });
  timer ??= setInterval(look, LOOK_MS).unref();
  return () => watched.delete(pid);
}
