import type { OptionTable, Values } from "../cli/option-table.ts";
import { RuntimeError } from "./places.ts";

export const text = (v: Values, name: string): string | undefined => {
  const given = v[name];
  return typeof given === "string" ? given : undefined;
};

export const string = (value: string, help: string) => ({ type: "string", value, help }) as const;

export const bundleOptions: OptionTable = {
  bundle: { type: "string", short: "b", value: "DIR", help: "the bundle (default: the working directory)" },
  config: { type: "string", short: "f", value: "FILE", help: "its configuration (default: config.json)" },
  "console-socket": { type: "string", value: "SOCKET", help: "who takes the terminal" },
  "pidfd-socket": { type: "string", value: "SOCKET", help: "who gets a descriptor of the first process" },
  "pid-file": { type: "string", value: "FILE", help: "where to write the pid" },
  "no-pivot": { type: "boolean", help: "no pivot_root(2): for a root filesystem in an initramfs" },
  "no-new-keyring": { type: "boolean", help: "the caller's session keyring" },
  "preserve-fds": { type: "string", value: "N", help: "file descriptors from 3 on to hand through" },
};

export const list = (v: Values, name: string): string[] => (v[name] as string[] | undefined) ?? [];

export function count(v: Values, name: string): number {
  const given = text(v, name) ?? "0";
  if (!/^\d{1,4}$/.test(given)) throw new RuntimeError(`--${name}: ${JSON.stringify(given)} is not a number of files`);
  return Number(given);
}
