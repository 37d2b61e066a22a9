import type { Errno } from "../kernel/errno.ts";

/** The base of all errors that this library throws by itself. */
export class CaissonError extends Error {
  override readonly name: string = "CaissonError";
  /** What the command line exits with: 125 nothing was started, 126 cannot be executed, 127 not found. */
  readonly exitCode: 125 | 126 | 127 = 125;
}

const LONGEST = 200;

/** As it would be written, and not all of what is long. */
function shown(value: unknown): string {
  const text = typeof value === "string" || (typeof value === "object" && value !== null) ? json(value) : String(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function json(value: string | object): string {
  const said = (_: string, v: unknown) => (["bigint", "function", "symbol"].includes(typeof v) ? String(v) : v);
  try {
    return JSON.stringify(value, said);
  } catch {
    // It has itself in it, or does not let itself be looked at.
    return Object.prototype.toString.call(value);
  }
}

/** Bad input: nothing was touched. */
export class InvalidOptionError extends CaissonError {
  override readonly name = "InvalidOptionError";
  readonly field: string;
  readonly value: unknown;
  readonly expected: string;

  constructor(field: string, value: unknown, expected: string) {
    super(`${field}: ${shown(value)} is not ${expected}`);
    this.field = field;
    this.value = value;
    this.expected = expected;
  }
}

/** The kernel, or this user's rights on this machine, lack what an option needs. */
export class UnsupportedError extends CaissonError {
  override readonly name = "UnsupportedError";
  readonly feature: string;

  constructor(feature: string, why: string) {
    super(`${feature}: ${why}`);
    this.feature = feature;
  }
}

/** No container, or none in the needed state, has this name; or one has it already. */
export class NameError extends CaissonError {
  override readonly name = "NameError";
  readonly container: string;

  constructor(container: string, message: string) {
    super(message);
    this.container = container;
  }
}

/** A step of a start failed: all that was done before was undone. */
export class StepError extends CaissonError {
  override readonly name = "StepError";
  /** What the step is for, and its place in the program. */
  readonly step: string;
  readonly section: string;
  readonly index: number;
  readonly errno: Errno;
  readonly path: string | undefined;
  readonly hint: string | undefined;
  override readonly exitCode: 125 | 126 | 127;

  constructor(facts: {
    step: string;
    section: string;
    index: number;
    errno: Errno;
    path?: string | undefined;
    hint?: string | undefined;
    exitCode: 125 | 126 | 127;
  }) {
    super(`${facts.step}: ${facts.errno}${facts.hint ? ` (${facts.hint})` : ""}`);
    this.step = facts.step;
    this.section = facts.section;
    this.index = facts.index;
    this.errno = facts.errno;
    this.path = facts.path;
    this.hint = facts.hint;
    this.exitCode = facts.exitCode;
  }
}
