import type { Known } from "../container/state.ts";
import { KILL_EVERYTHING, signalNumber } from "../kernel/signals.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseDuration } from "../values/units.ts";
import { type OptionTable, text, type Values } from "./option-table.ts";

/** How a container is to be stopped is noted with it. The first name is that of the image specification ("Conversion"). */
const NOTED = { signal: "org.opencontainers.image.stopSignal", timeout: "caisson.stop-timeout" } as const;
const SIGKILL = 9;

export const stopOptions: OptionTable = {
  "stop-signal": { type: "string", value: "SIG", help: "what caisson stop sends (default TERM)" },
  "stop-timeout": { type: "string", value: "TIME", help: "how long it waits then, before it kills (default 10s)" },
};

export function signalOf(field: string, given: string): number {
  const n = signalNumber(given);
  if (n === undefined) throw new InvalidOptionError(field, given, "a signal such as TERM or 15");
  return n === SIGKILL ? KILL_EVERYTHING : n;
}

const milliseconds = (field: string, time: string): number => parseDuration(field, time) * 1000;

/** What is noted of the options of a run: checked now. */
export function stopLabels(v: Values): Record<string, string> {
  const [signal, timeout] = [text(v, "stop-signal"), text(v, "stop-timeout")];
  if (signal !== undefined) signalOf("--stop-signal", signal);
  if (timeout !== undefined) milliseconds("--stop-timeout", timeout);
  return { ...(signal && { [NOTED.signal]: signal }), ...(timeout && { [NOTED.timeout]: timeout }) };
}

/** As it is asked for now, as it was noted, or as it is by default. */
export function stopping(v: Values, { noted }: Known): { readonly signal: number; readonly ms: number } {
  const own = noted.spec.annotations ?? {};
  return {
    signal: signalOf("--signal", text(v, "signal") ?? own[NOTED.signal] ?? "TERM"),
    ms: milliseconds("--time", text(v, "time") ?? own[NOTED.timeout] ?? "10s"),
  };
}
