import { join } from "node:path";
import { inUserNamespace } from "../host/facts.ts";
import { CaissonError } from "../values/errors.ts";

/** An operation that the container's state, or its name, does not allow. */
export class RuntimeError extends CaissonError {
  override readonly name = "RuntimeError";
}

/** Root of a user namespace may not write to the host's /run: an engine without privileges makes one for itself. */
export function defaultRoot(): string {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const isOwn = runtime && (process.geteuid?.() !== 0 || inUserNamespace());
  return isOwn ? join(runtime, "caisson-oci") : "/run/caisson-oci";
}

const LONGEST = 255;

/** An id is the name of a directory: it must not lead anywhere else. */
export function directoryOf(root: string, id: string | undefined): string {
  if (id === undefined || id === "") throw new RuntimeError("ID: required, but missing");
  if (!/^[\w+.@:,=-]+$/.test(id) || id === "." || id === ".." || id.length > LONGEST)
    throw new RuntimeError(
      `ID: ${JSON.stringify(id.slice(0, LONGEST))} is not a container id: letters, digits and "_+-.@:,=", ${LONGEST} at most`,
    );
  return join(root, id);
}
