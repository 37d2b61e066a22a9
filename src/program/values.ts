import { bytesOf } from "../values/bytes.ts";
import type { Block, Pointee, Slot, Value } from "./types.ts";

export type Loose = number | bigint | string | Slot | Value | Block;

export const low = (slot: Slot): Value => ({ kind: "slot", slot, half: "low" });
export const high = (slot: Slot): Value => ({ kind: "slot", slot, half: "high" });
export const addressOf = (slot: Slot): Pointee & Value => ({ kind: "address", slot });
export const into = (block: Block, offset = 0): Pointee & Value => ({ kind: "block", block, offset });

/** A word that the executor was executed with. */
export const argument = (index: number): Value => ({ kind: "argument", index });
/** All of them from one on, as execve(2) takes them. */
export const argumentsFrom = (index: number): Value => ({ kind: "arguments", index });

/** A string of the environment that the executor was executed with. */
export const environment = (index: number): Value => ({ kind: "environment", index });

/** Numbers are immediates, strings are addresses of NUL-terminated text, a slot is its value, a block its address. */
export function toValue(v: Loose): Value {
  if (typeof v === "number" || typeof v === "bigint") return v;
  if (typeof v === "string") return { kind: "text", text: v };
  if ("kind" in v) return v;
  if ("bytes" in v) return into(v);
  return { kind: "slot", slot: v };
}

export const buffer = (name: string, size: number): Block => ({ name, bytes: new Uint8Array(size), pointers: [] });

/** The text alone, without a NUL: for write(2), beside its length. */
export const textBlock = (text: string, name = "text"): Block => ({ name, bytes: bytesOf(text), pointers: [] });

/** An array of C strings with a null pointer at its end, as execve(2) takes it. */
export function stringArray(name: string, strings: readonly string[]): Block {
  return {
    name,
    bytes: new Uint8Array(8 * (strings.length + 1)),
    pointers: strings.map((text, i) => ({ at: 8 * i, to: { kind: "text", text } })),
  };
}

/** A struct of fields of 1, 2, 4 or 8 bytes, each at its natural alignment; a pointer field takes 8. */
export function struct(name: string, fields: readonly (readonly [1 | 2 | 4 | 8, number | bigint | Pointee])[]): Block {
  let size = 0;
  const placed = fields.map(([width, value]) => {
    const at = Math.ceil(size / width) * width;
    size = at + width;
    return { at, width, value };
  });
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const pointers: { at: number; to: Pointee }[] = [];
  for (const { at, width, value } of placed) {
    if (typeof value === "object") pointers.push({ at, to: value });
    else if (width === 8 && typeof value === "number" && value >= 0 && Number.isSafeInteger(value)) {
      view.setUint32(at, value >>> 0, true);
      view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
    } else if (width === 8) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    else if (width === 4) view.setUint32(at, Number(value) >>> 0, true);
    else if (width === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
  }
  return { name, bytes, pointers };
}
