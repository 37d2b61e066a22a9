import { amount, checkShape, type Shape, shape } from "../values/shape.ts";
import { type Encoding, mostOutput, type StreamOptions } from "./exchange.ts";

export const outputs = { pipe: { kind: "pipe" }, inherit: { kind: "inherit" }, ignore: { kind: "null" } } as const;

const isFunction = (v: unknown) => typeof v === "function";
const isStream = (v: unknown) => isFunction((v as AsyncIterable<unknown> | null)?.[Symbol.asyncIterator]);
const output = shape('"pipe", "inherit" or "ignore"', (v) => Object.hasOwn(outputs, v as string));
const shapes: Readonly<Record<keyof StreamOptions, Shape>> = {
  input: shape("a text, bytes or a stream", (v) => typeof v === "string" || v instanceof Uint8Array || isStream(v)),
  stdout: output,
  stderr: output,
  encoding: shape('"utf8" or "buffer"', (v) => v === "utf8" || v === "buffer"),
  maxOutput: amount,
  signal: shape("an AbortSignal", (v) => isFunction((v as { throwIfAborted?: unknown } | null)?.throwIfAborted)),
};

/** What only a command has, and no container. */
export function checkStreams(o: StreamOptions<Encoding>): void {
  for (const [name, of] of Object.entries(shapes)) {
    const value = o[name as keyof typeof shapes];
    if (value !== undefined) checkShape(name, value, of);
  }
  mostOutput(o);
}
