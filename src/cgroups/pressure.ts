import { readOptional } from "./files.ts";

/** Share of the time (0 to 1) in which some, or all, tasks waited for a resource; `total` seconds. Source: accounting/psi. */
export type Stall = { readonly avg10: number; readonly avg60: number; readonly avg300: number; readonly total: number };
export type Pressure = { readonly some?: Stall; readonly full?: Stall };
export const pressureKinds = ["cpu", "memory", "io", "irq"] as const;
export type PressureKind = (typeof pressureKinds)[number];
export type Pressures = { readonly [K in PressureKind]?: Pressure };

export function parsePressure(text: string): Pressure {
  const found: Record<string, Stall> = {};
  for (const line of text.trim().split("\n")) {
    const [kind = "", ...pairs] = line.split(" ");
    const value = Object.fromEntries(pairs.map((p) => p.split("=") as [string, string]));
    const share = (key: string) => Number(value[key] ?? 0) / 100;
    found[kind] = {
      avg10: share("avg10"),
      avg60: share("avg60"),
      avg300: share("avg300"),
      total: Number(value["total"] ?? 0) / 1e6,
    };
  }
  return found;
}

/** The pressure files of a directory of the v2 hierarchy; nothing where the kernel does not count (psi=0). */
export const readPressures = (directory: string): Pressures =>
  Object.fromEntries(
    pressureKinds.flatMap((kind) => {
      const text = readOptional(`${directory}/${kind}.pressure`);
      return text?.trim() ? [[kind, parsePressure(text)]] : [];
    }),
  );
