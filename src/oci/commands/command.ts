import type { OptionTable, Values } from "../../cli/option-table.ts";
import type { Global } from "../context.ts";

export type OciCommand = {
  readonly words: string;
  readonly summary: string;
  readonly options: OptionTable;
  /** How many words may follow the options; "rest": what comes after the first is somebody else's. */
  readonly takes: number | "rest";
  perform(g: Global, v: Values, words: readonly string[]): Promise<number> | number;
};
