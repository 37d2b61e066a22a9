import { emitKeypressEvents, type Key } from "node:readline";
import { ControlGroup } from "../cgroups/group.ts";
import { signalEach } from "../cgroups/kill.ts";
import { groupOfContainer } from "../container/adopt.ts";
import { runningContainer } from "../container/state.ts";
import { KILL_EVERYTHING } from "../kernel/signals.ts";
import { CaissonError } from "../values/errors.ts";
import type { Values } from "./option-table.ts";
import { print, table } from "./output.ts";
import { json } from "./show-group.ts";
import { intervalOf, sampling, untilInterrupted } from "./stats.ts";
import type { Row } from "./top/sample.ts";
import { cells, draw, HEAD, type Order, orders, sorted } from "./top/view.ts";

const HISTORY = 64;

async function freezeOrThaw(r: Row): Promise<void> {
  const group =
    r.kind === "container" ? await groupOfContainer(runningContainer(r.name)) : await ControlGroup.open(r.name);
  if (r.state === "frozen") await group.thaw();
  else await group.freeze();
}

async function kill(r: Row): Promise<void> {
  if (r.kind === "group") return (await ControlGroup.open(r.name)).kill();
  signalEach([runningContainer(r.name).started.supervisor], KILL_EVERYTHING);
}

/** The table with its keys. The terminal is left as it was found, however this ends. */
async function interactive(seconds: number): Promise<void> {
  const { stdin, stdout } = process;
  const over = untilInterrupted();
  const history = new Map<string, number[]>();
  let rows: Row[] = [];
  let order: Order = "cpu";
  let chosen: string | undefined;
  let message = "";
  const show = () => {
    if (over.signal.aborted) return;
    rows = sorted(rows, order);
    if (!rows.some((r) => r.name === chosen)) chosen = rows[0]?.name;
    // A terminal may not know its size: it says 0 then.
    const [columns, lines] = [stdout.columns || 80, stdout.rows || 24];
    stdout.write(draw({ rows, order, chosen, history, message, columns, lines }));
  };
  const move = (by: number) => {
    const at = rows.findIndex((r) => r.name === chosen);
    chosen = rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.name;
  };
  const act = async (what: string, action: (r: Row) => Promise<void>) => {
    const row = rows.find((r) => r.name === chosen);
    if (!row) return;
    message = await action(row).then(
      () => `${what} ${row.name}: done`,
      (e: unknown) => {
        if (e instanceof CaissonError) return e.message;
        throw e;
      },
    );
  };
  const press = async (key: string) => {
    message = "";
    if (key in orders) order = orders[key as keyof typeof orders];
    else if (key === "up") move(-1);
    else if (key === "down") move(1);
    else if (key === "f") await act("freeze or thaw", freezeOrThaw);
    else if (key === "k") await act("kill", kill);
    show();
  };
  // One key after the other: what "f" freezes is what was chosen when it was pressed. Only the end does not wait.
  let pressed = Promise.resolve();
  let failure: unknown;
  const onKey = (_: string | undefined, { name = "", ctrl }: Key) => {
    if (name === "q" || (ctrl && name === "c")) return over.abort();
    pressed = pressed
      .then(() => press(name))
      .catch((e: unknown) => {
        failure ??= e;
        over.abort();
      });
  };
  emitKeypressEvents(stdin);
  stdin.setRawMode(true);
  stdin.on("keypress", onKey);
  stdin.resume();
  stdout.write("\x1b[?1049h\x1b[?25l\x1b[H\x1b[J");
  try {
    show();
    for await (const next of sampling(seconds, [], over.signal)) {
      rows = next;
      for (const r of next) history.set(r.name, [...(history.get(r.name) ?? []), r.cpu ?? 0].slice(-HISTORY));
      show();
    }
  } finally {
    over.abort();
    stdout.write("\x1b[?25h\x1b[?1049l");
    stdin.setRawMode(false);
    stdin.off("keypress", onKey);
    stdin.pause();
  }
  await pressed;
  if (failure) throw failure;
}

export async function top(v: Values): Promise<number> {
  const seconds = intervalOf(v);
  if (!v["json"] && process.stdin.isTTY && process.stdout.isTTY) {
    await interactive(seconds);
    return 0;
  }
  for await (const rows of sampling(seconds, [], untilInterrupted().signal))
    print(v["json"] ? json({ at: Date.now(), rows }) : table(HEAD, sorted(rows, "cpu").map(cells)));
  return 0;
}
