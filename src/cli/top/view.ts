import { size, table } from "../output.ts";
import type { Row } from "./sample.ts";

export const orders = { c: "cpu", m: "memory", i: "io", p: "pressure", n: "name" } as const;
export type Order = (typeof orders)[keyof typeof orders];

const keys: Readonly<Record<Order, (r: Row) => number | string>> = {
  cpu: (r) => -(r.cpu ?? -1),
  memory: (r) => -(r.memory ?? -1),
  io: (r) => -(r.ioRate ?? -1),
  pressure: (r) => -(r.pressure ?? -1),
  name: (r) => r.name,
};

export function sorted(rows: readonly Row[], order: Order): Row[] {
  const key = keys[order];
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return x < y ? -1 : x > y ? 1 : a.name < b.name ? -1 : 1;
  });
}

const bars = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/** The last values as bars: the highest of them, or `least`, is a full one. */
export function sparkline(values: readonly number[], width: number, least: number): string {
  const shown = values.slice(-width);
  const top = Math.max(least, ...shown);
  return shown
    .map((v) => bars[Math.min(bars.length - 1, Math.floor((v / top) * bars.length))])
    .join("")
    .padStart(width);
}

const percent = (n: number | undefined) => (n === undefined ? "-" : `${(100 * n).toFixed(n < 0.1 ? 1 : 0)}%`);
const bytes = (n: number | undefined) => (n === undefined ? "-" : size(n));

export const HEAD = ["NAME", "KIND", "STATE", "PROCS", "CPU", "MEMORY", "LIMIT", "IO/s", "PRESSURE"];
export const cells = (r: Row): string[] => [
  r.name,
  r.kind,
  r.state,
  String(r.processes),
  percent(r.cpu),
  bytes(r.memory),
  bytes(r.memoryMax),
  bytes(r.ioRate),
  percent(r.pressure),
];

const PLOT = 16;
const CPU_LEAST = 0.1;

export type Screen = {
  readonly rows: readonly Row[];
  readonly order: Order;
  readonly chosen: string | undefined;
  readonly history: ReadonlyMap<string, readonly number[]>;
  readonly message: string;
  readonly columns: number;
  readonly lines: number;
};

const INVERSE = "\x1b[7m";
const BOLD = "\x1b[1m";
const PLAIN = "\x1b[0m";
const CLEAR_LINE = "\x1b[K";

/** The whole screen as text, drawn over what was there: no flicker, and nothing that a plain terminal lacks. */
export function draw(s: Screen): string {
  const body = s.rows.map((r) => [...cells(r), sparkline(s.history.get(r.name) ?? [], PLOT, CPU_LEAST)]);
  const [head = "", ...lines] = table([...HEAD, "CPU HISTORY"], body).split("\n");
  const cut = (line: string) => [...line].slice(0, s.columns).join("");
  const room = Math.max(1, s.lines - 3);
  const at = Math.max(
    0,
    s.rows.findIndex((r) => r.name === s.chosen),
  );
  const from = Math.max(0, Math.min(at - Math.floor(room / 2), lines.length - room));
  const shown = lines.slice(from, from + room).map((line, i) => {
    const text = cut(line.padEnd(s.columns));
    return s.rows[from + i]?.name === s.chosen ? `${INVERSE}${text}${PLAIN}` : text;
  });
  const keysLine = `sorted by ${s.order}   c m i p n: sort   ↑↓: choose   f: freeze, thaw   k: kill   q: quit`;
  return [
    "\x1b[H",
    [cut(s.message || keysLine), `${BOLD}${cut(head)}${PLAIN}`, ...shown].map((l) => `${l}${CLEAR_LINE}`).join("\r\n"),
    "\x1b[J",
  ].join("");
}
