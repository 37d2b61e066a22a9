import { InvalidOptionError } from "../values/errors.ts";
import { container, host, type Side } from "./side.ts";

/** A path, on which side it is, and what it was given as. */
export type Place = { readonly side: Side; readonly path: string; readonly field: string };

function given(field: string, path: unknown): string {
  if (typeof path !== "string" || path === "" || path.includes("\0"))
    throw new InvalidOptionError(field, path, "a path of a file, a directory or a link");
  return path;
}

/** A path of this machine; from the working directory, if it is relative. */
export const onHost = (field: string, path: string): Place => ({ side: host(), path: given(field, path), field });

/** A container, by its first process; `runs` throws if that has ended: its pid may be another's by then. */
export type Inside = { readonly pid: number; readonly runs: () => void };

/** A path of a container, which is from its top: it has no working directory of ours. */
export function inContainer(field: string, { pid, runs }: Inside, path: string): Place {
  const top = given(field, path).startsWith("/") ? path : `/${path}`;
  runs();
  return { side: container(pid, runs), path: top, field };
}
