import { checkShape, type Shape, shape } from "../values/shape.ts";

export const outputs = { pipe: { kind: "pipe" }, inherit: { kind: "inherit" }, ignore: { kind: "null" } } as const;

const isFunction = (v: unknown) => typeof v === "function";
const output = shape('"pipe", "inherit" or "ignore"', (v) => Object.hasOwn(outputs, v as string));
const shapes: Readonly<Record<"input" | "stdout" | "stderr" | "signal", Shape>> = {
  input: shape(
    "a text, bytes or a stream",
    (v) => typeof v === "string" || v instanceof Uint8Array || isFunction((v as { pipe?: unknown } | null)?.pipe),
  ),
  stdout: output,
  stderr: output,
  signal: shape("an AbortSignal", (v) => isFunction((v as { throwIfAborted?: unknown } | null)?.throwIfAborted)),
};

/** What only a command has, and no container. */
export function checkStreams(o: { readonly [K in keyof typeof shapes]?: unknown }): void {
  for (const [name, of] of Object.entries(shapes)) {
    const value = o[name as keyof typeof shapes];
    if (value !== undefined) checkShape(name, value, of);
  }
}
