import { AT_FDCWD, O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Block, Slot } from "../../program/types.ts";
import { AF_UNIX, SOCK_STREAM } from "../handover.ts";

const MAX_PATH = 107;
const FAMILY = 2;
const FD_HOLE = "\0".repeat(11);

/** struct sockaddr_un; "@name" is an abstract one, which has no end but its length (unix(7)). */
export function address(path: string): Block {
  const abstract = path.startsWith("@");
  const text = new TextEncoder().encode(abstract ? `\0${path.slice(1)}` : `${path}\0`);
  const bytes = new Uint8Array(FAMILY + text.length);
  bytes[0] = AF_UNIX;
  bytes.set(text, FAMILY);
  return { name: `address ${path}`, bytes, pointers: [] };
}

/** Connects to a socket of the host's. A path that is too long for an address is reached by way of its directory. */
export function connect(s: SectionBuilder, label: string, path: string): Slot {
  const socket = s.get("open a socket", "socket", [AF_UNIX, SOCK_STREAM | O.CLOEXEC, 0]);
  if (new TextEncoder().encode(path).length <= MAX_PATH) {
    const to = address(path);
    s.call(label, "connect", [socket, to, to.bytes.length]);
    return socket;
  }
  // The number comes last, so that what follows it in the address are zeros: the socket itself is opened.
  const target = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.PATH | O.CLOEXEC, 0]);
  const prefix = "/proc/self/fd/";
  const to = address(prefix + FD_HOLE);
  s.format(target, to, FAMILY + prefix.length);
  s.call(label, "connect", [socket, to, to.bytes.length]);
  s.call(`close ${path}`, "close", [target]);
  return socket;
}
