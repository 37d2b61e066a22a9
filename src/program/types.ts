import type { Arch } from "../kernel/arch.ts";

/** A place for one 64-bit result, shared by all processes of a program. Unset, it is -1. */
export type Slot = { readonly slot: number; readonly name: string };

/** Bytes which a program may write: buffers, and structs that hold pointers or results. */
export type Block = {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** At `at`, the address of a value (8 bytes) is put when the program is loaded. */
  readonly pointers: readonly { readonly at: number; readonly to: Pointee }[];
};
export type Pointee =
  | { kind: "text"; text: string }
  | { kind: "block"; block: Block; offset: number }
  | { kind: "address"; slot: Slot };

/** An argument of a step. Numbers are themselves: most arguments are, and an engine that interprets is slow with objects of many shapes. */
export type Value =
  | number
  | bigint
  | { readonly kind: "slot"; readonly slot: Slot; readonly half?: "low" | "high" }
  /** A word that the executor was executed with: its address, 0 beyond the last. */
  | { readonly kind: "argument"; readonly index: number }
  /** Where the words from one on are, as execve(2) wants them. */
  | { readonly kind: "arguments"; readonly index: number }
  /** A string of the environment that the executor was executed with: its address, 0 beyond the last. */
  | { readonly kind: "environment"; readonly index: number }
  | Pointee;

/** What happens when a step fails: nothing listed, the section ends and its `onFail` is performed. */
export type Policy = {
  /** Errnos after which the program goes on. */
  readonly ignore?: readonly string[] | "all";
  /** How often to try again after EBUSY, EAGAIN or EINTR, 255 at most: a millisecond apart at first, and 64 at the end. */
  readonly retries?: number;
};

/** Whatever it comes to, the program goes on. */
export const ANY = { ignore: "all" } as const satisfies Policy;

/** Those in words are of texts, by their addresses; "only": the first has no other bytes than the second. */
export type Comparison = "==" | "!=" | "<" | ">" | "&" | "same" | "other" | "environment" | "only";

type Labelled = { readonly label: string };
export type Step = Labelled &
  (
    | ({ readonly op: "call"; readonly call: string; readonly args: readonly Value[]; readonly result?: Slot } & Policy)
    | ({ readonly op: "spawn"; readonly section: number; readonly args: Block; readonly result: Slot } & Policy)
    | { readonly op: "jump"; readonly over: number; readonly if: Comparison; readonly a: Value; readonly b: Value }
    | { readonly op: "format"; readonly value: Value; readonly block: Block; readonly at: number }
    /** Seconds since 1970 as "2026-11-26T07:08:09", in UTC; what is between the numbers stays. */
    | { readonly op: "date"; readonly value: Value; readonly block: Block; readonly at: number }
    | { readonly op: "store"; readonly value: Value; readonly block: Block; readonly at: number; readonly size: 4 | 8 }
    /** The beginning of a text: `most` bytes at most, none from the byte `until` on, and a NUL. */
    | {
        readonly op: "copy";
        readonly text: Value;
        readonly block: Block;
        readonly at: number;
        readonly most: number;
        readonly until: number;
      }
    | { readonly op: "check" }
    /** Keeps a value, or the sum of two; one from -4095 to -1 is a failure, as the result of a system call is. */
    | ({ readonly op: "let"; readonly value: Value; readonly plus?: Value; readonly result: Slot } & Policy)
    /**
     * A hash of 32 bits, continued with a text (src/program/hash.ts). No text, at address 0, leaves it as it is. Left out of the text is what
     * has `least` bytes of `others` or more in a row, or as many as it ends with.
     */
    | {
        readonly op: "hash";
        readonly from: Value;
        readonly text: Value;
        readonly result: Slot;
        readonly others?: Value;
        readonly least?: number;
      }
    /** With the sum of both: an errno, or a status above all errnos. */
    | { readonly op: "fail"; readonly errno: Value; readonly plus?: Value }
    | {
        readonly op: "supervise";
        readonly child: Value;
        readonly pidfd: Value;
        readonly signals: Value;
        /** Milliseconds, -1 for none. */
        readonly timeout: number;
        readonly relays: Block;
        /** The path of the child's status file: it is ended by a signal that it does not heed. */
        readonly status?: Block;
        /** The first of six: exit code, wait status, timed out, user and system time (µs), peak memory (KiB). */
        readonly result: Slot;
      }
    | ({ readonly op: "serve"; readonly from: Value; readonly to: Value } & Policy)
    | { readonly op: "exit"; readonly code: Value }
  );

export type Section = { readonly name: string; readonly steps: readonly Step[]; readonly onFail?: number };

/** A tree of processes, each an ordered list of system calls. Plain data: it can be kept, hashed, sent and cut. */
export type Program = {
  readonly arch: Arch;
  readonly sections: readonly Section[];
  readonly slots: readonly string[];
};

/** The slots in which the executor notes the first step that failed. */
export const FAILURE = { section: 0, step: 1, errno: 2 } as const;
export const RESERVED_SLOTS = ["failed section", "failed step", "failed errno"] as const;
export const MAX_SLOTS = 0xffff;
export const SUPERVISE_RESULTS = 6;
