import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { architectures } from "../architectures.ts";

/** A system call that waits for an answer: what seccomp_unotify(2) tells of it. */
export type SyscallCall = {
  /** Its name, or "number 999" if this table is older than the kernel. */
  readonly name: string;
  /** Numbers and addresses, as they are in the registers. */
  readonly args: readonly bigint[];
  /** The thread that calls, as this machine sees it. */
  readonly pid: number;
  /**
   * Text at an address in the caller's memory, up to its NUL. Another thread may change it at any time: it is good for
   * an answer that is performed with it here, never for a "continue" that depends on it.
   */
  readString(address: bigint, limit?: number): Promise<string>;
  readBytes(address: bigint, length: number): Promise<Uint8Array>;
  /** Whether it waits yet: if not, its thread is gone, and its pid may be another's. */
  isWaiting(): Promise<boolean>;
  /** Puts a result where the caller wants it. */
  writeBytes(address: bigint, bytes: Uint8Array): Promise<void>;
};

/**
 * How a call is answered: refused, done with a result, done with a new file descriptor, let through as it is, or the
 * caller is killed.
 *
 * "continue" performs what the caller's memory says at that later time: it decides nothing about what a pointer points
 * to. Use it where only numbers matter, or for what the kernel refuses anyway.
 */
export type SyscallReply =
  | { readonly errno: `E${string}` }
  | { readonly value: number }
  /** A file that this process has open, which becomes one of the caller's: the call's result is its number there. */
  | { readonly fd: number; readonly closeOnExec?: boolean }
  | "continue"
  | { readonly kill: "SIGSYS" | "SIGKILL" };

export type SyscallHandler = (call: SyscallCall) => SyscallReply | Promise<SyscallReply>;
export type SyscallHandlers = Readonly<Record<string, SyscallHandler>>;

/** struct seccomp_notif */
export const NOTIFICATION = { size: 80, id: 0, pid: 8, nr: 16, arch: 20, args: 32 } as const;

const names = new Map<number, ReadonlyMap<number, string>>();
function nameOf(audit: number, nr: number): string {
  let table = names.get(audit);
  if (!table) {
    const found = architectures.find((a) => a.audit === audit)?.table() ?? new Map<string, number>();
    table = new Map([...found].map(([name, n]) => [n, name]));
    names.set(audit, table);
  }
  return table.get(nr) ?? `number ${nr}`;
}

export type Notification = {
  readonly id: bigint;
  readonly pid: number;
  /** The architecture's audit number, and the call's own there. */
  readonly arch: number;
  readonly nr: number;
  readonly name: string;
  readonly args: readonly bigint[];
};

export function readNotification(view: DataView, at = 0): Notification {
  const [arch, nr] = [view.getUint32(at + NOTIFICATION.arch, true), view.getInt32(at + NOTIFICATION.nr, true)];
  return {
    id: view.getBigUint64(at + NOTIFICATION.id, true),
    pid: view.getUint32(at + NOTIFICATION.pid, true),
    arch,
    nr,
    name: nameOf(arch, nr),
    args: Array.from({ length: 6 }, (_, i) => view.getBigUint64(at + NOTIFICATION.args + 8 * i, true)),
  };
}

/** The call is over: its thread was killed, or a signal took it out of its waiting. */
export class CallGoneError extends Error {
  override readonly name = "CallGoneError";
}

const PAGE = 4096;

/** `stillThere` asks the kernel whether the call waits yet: else its pid may be another process by now. */
export function callOf(n: Notification, stillThere: () => Promise<boolean>): SyscallCall {
  const withMemory = async <T>(flags: string, use: (fd: number) => T): Promise<T> => {
    let fd: number;
    try {
      fd = openSync(`/proc/${n.pid}/mem`, flags);
    } catch {
      throw new CallGoneError(`${n.name}: its caller is gone`);
    }
    try {
      // Only now is it sure whose memory was opened.
      if (!(await stillThere())) throw new CallGoneError(`${n.name}: its caller is gone`);
      return use(fd);
    } finally {
      closeSync(fd);
    }
  };
  const bytesAt = (fd: number, address: bigint, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    const got = readSync(fd, bytes, 0, length, Number(address));
    return bytes.subarray(0, got);
  };
  return {
    name: n.name,
    args: n.args,
    pid: n.pid,
    readString: (address, limit = PAGE) =>
      withMemory("r", (fd) => {
        const parts: Uint8Array[] = [];
        for (let at = address, left = limit; left > 0; ) {
          // Never across a page's end at once: what is behind it may not be there.
          const length = Math.min(left, PAGE - Number(at % BigInt(PAGE)));
          const bytes = bytesAt(fd, at, length);
          const end = bytes.indexOf(0);
          parts.push(end < 0 ? bytes : bytes.subarray(0, end));
          if (end >= 0 || bytes.length < length) break;
          at += BigInt(length);
          left -= length;
        }
        return Buffer.concat(parts).toString("utf8");
      }),
    isWaiting: stillThere,
    readBytes: (address, length) => withMemory("r", (fd) => bytesAt(fd, address, length)),
    writeBytes: (address, bytes) =>
      withMemory("r+", (fd) => {
        writeSync(fd, bytes, 0, bytes.length, Number(address));
      }),
  };
}
