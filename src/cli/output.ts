import { put } from "../host/output.ts";

/** Names come from file systems and processes, some of them a container's: what a terminal would obey is shown as "?". */
export const harmless = (text: string): string => text.replace(/[\p{Cc}\p{Cs}]/gu, "?");
/** Of what may be one: to look for these takes a fraction of the time, and most texts have none. */
const SUSPECT =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is they that are looked for
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]/;
const lines = (text: string): string => (SUSPECT.test(text) ? text.replace(/(?![\n\t])[\p{Cc}\p{Cs}]/gu, "?") : text);

export const complain = (message: string): void => {
  put(2, `caisson: ${lines(message)}\n`);
};

export const print = (text: string): void => {
  put(1, lines(text.endsWith("\n") ? text : `${text}\n`));
};

/** For whoever reads names exactly as they are, unless that is a terminal. */
export const printName = (text: string): void => {
  if (process.stdout.isTTY) print(harmless(text));
  else put(1, `${text}\n`);
};

/** Columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map((r) => r.map(harmless));
  const widths = head.map((_, i) => Math.max(...all.map((r) => (r[i] ?? "").length)));
  return all
    .map((r) =>
      r
        .map((cell, i) => (i === r.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const units = ["B", "K", "M", "G", "T"];
export function size(bytes: number): string {
  let [n, i] = [bytes, 0];
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)}${units[i]}`;
}

/** "5 minutes ago" and the like, short. */
export function ago(ms: number): string {
  const s = Math.max(0, (Date.now() - ms) / 1000);
  if (s < 120) return `${Math.round(s)}s`;
  if (s < 7200) return `${Math.round(s / 60)}m`;
  return s < 172800 ? `${Math.round(s / 3600)}h` : `${Math.round(s / 86400)}d`;
}
