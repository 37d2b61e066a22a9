import type { ParseArgsConfig } from "node:util";
import { InvalidOptionError } from "../values/errors.ts";

type Row = {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  readonly short?: string;
  readonly value?: string;
  readonly help: string;
};
export type OptionTable = Readonly<Record<string, Row>>;

export const toParseArgs = (table: OptionTable): NonNullable<ParseArgsConfig["options"]> => {
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [name, { type, multiple, short }] of Object.entries(table))
    options[name] = { type, ...(multiple && { multiple }), ...(short && { short }) };
  return options;
};

export type Values = { readonly [name: string]: string | boolean | (string | boolean)[] | undefined };

export const text = (v: Values, name: string) => v[name] as string | undefined;
export const list = (v: Values, name: string) => (v[name] ?? []) as string[];

/** "K=V"; what has no "=" is as the caller says. */
export function pair(field: string, s: string): [string, string] {
  const i = s.indexOf("=");
  if (i < 1) throw new InvalidOptionError(field, s, 'of the form "name=value"');
  return [s.slice(0, i), s.slice(i + 1)];
}
