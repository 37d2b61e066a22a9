import type { ParseArgsConfig } from "node:util";

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
