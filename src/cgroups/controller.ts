import { UnsupportedError } from "../values/errors.ts";

export type Version = "v1" | "v2";

/** A text for a file of a group. `undo` says what to write to have the old content back; default: that content. */
export type Write = {
  readonly file: string;
  readonly text: string;
  /** The file that is meant where the kernel does not have the first. */
  readonly or?: string;
  /** Errnos that mean: this kernel has no such file, and nothing is lost by it. */
  readonly ignore?: readonly string[];
  readonly undo?: (old: string) => readonly (string | { readonly file: string; readonly text: string })[];
  /** The file that the old content is read from, where `file` itself can only be written. */
  readonly old?: string;
};

/** The files of one group: `undefined` where there is none. */
export type Files = {
  readonly version: Version;
  /** A file in the controller's own hierarchy. */
  read(file: string): string | undefined;
  /** The same file of each group below, as many as there are now: for what the kernel does not add up. */
  below?(file: string): readonly (string | undefined)[];
  /** A file of the group in the v2 hierarchy, which has some of every controller's accounting (cpu.stat, pressure). */
  home(file: string): string | undefined;
  /** A file of the group in another v1 hierarchy. */
  other(controller: string, file: string): string | undefined;
};

/** Counters in a file whose change the kernel tells of (inotify): each name with the event that it counts. */
export type EventFile = { readonly file: string; readonly names: readonly string[] };

/**
 * What there is to know of one controller, for every layout. Adding one is a file of this shape and a line in the
 * table; `registerController` takes those of others.
 *
 * `Input` is what people write; `Limits` the same in base units.
 */
export type Controller<Input, Limits, Usage> = {
  readonly name: string;
  /** Its hierarchy on v1: the controller's name there. */
  readonly v1?: string;
  /** Its name in cgroup.controllers; "core" if every v2 group has it. */
  readonly v2?: string;
  /** The part of the kernel's configuration that brings it: for the message where it is missing. */
  readonly config: string;
  /** The fields that its limits have; left out where names are free (page sizes, devices). */
  readonly fields?: readonly string[];
  /** Checks and converts. Throws InvalidOptionError naming the field. */
  parse(input: Input, field: string): Limits;
  /** What to write. At the making of a group `now` is what its parent has, later what the group has. */
  writes(limits: Limits, now: Files, making: boolean): readonly Write[];
  /** The limits as they are. */
  limits(files: Files): Limits;
  usage(files: Files): Usage;
  readonly events?: { readonly v1?: readonly EventFile[]; readonly v2?: readonly EventFile[] };
};

/** Where only the table counts: methods take what is at least theirs, so each entry is one of these. */
export type AnyController = Controller<object, object, object>;

export const write = (file: string, value: number | string, more: Omit<Write, "file" | "text"> = {}): Write => ({
  file,
  text: value === Number.POSITIVE_INFINITY ? "max" : String(value),
  ...more,
});

/** A field of a controller which the layout's kind of hierarchy does not have. */
export function refuse(field: string, version: Version, why: string): never {
  throw new UnsupportedError(field, `control groups ${version} have no such thing: ${why}`);
}

/** "max" and numbers: a number, Infinity for no limit. */
export function readNumber(text: string | undefined): number | undefined {
  const t = text?.trim();
  if (t === undefined || t === "") return undefined;
  return t === "max" ? Number.POSITIVE_INFINITY : Number(t);
}

/** Lines of "key number". */
export function readKeyed(text: string | undefined): Record<string, number> {
  const found: Record<string, number> = {};
  for (const line of text?.split("\n") ?? []) {
    const [key, value] = line.trim().split(/\s+/);
    if (key && value !== undefined) found[key] = value === "max" ? Number.POSITIVE_INFINITY : Number(value);
  }
  return found;
}

/** Lines of "name key=value key=value" (cgroup-v2 "Nested keyed"). */
export function readNested(text: string | undefined): Record<string, Record<string, number>> {
  const found: Record<string, Record<string, number>> = {};
  for (const line of text?.trim().split("\n") ?? []) {
    const [name, ...pairs] = line.trim().split(/\s+/);
    if (!name) continue;
    found[name] = Object.fromEntries(
      pairs.map((p) => {
        const [key = "", value = ""] = p.split("=");
        return [key, value === "max" ? Number.POSITIVE_INFINITY : Number(value)];
      }),
    );
  }
  return found;
}

/** An object without the fields that are undefined. */
export function present<T extends object>(o: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined)) as never;
}
