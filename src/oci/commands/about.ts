import { resolve } from "node:path";
import { put } from "../../host/output.ts";
import { bundleOptions, text } from "../option-values.ts";
import type { OciCommand } from "./command.ts";
import { createOptions } from "./lifecycle.ts";

/** What is only looked at, or written to begin with. */
export const about: Readonly<Record<string, OciCommand>> = {
  list: {
    words: "[options]",
    summary: "list containers",
    options: {
      format: { type: "string", short: "f", value: "table|json", help: "how (default table)" },
      quiet: { type: "boolean", short: "q", help: "ids only" },
    },
    takes: 0,
    perform: async (g, v) =>
      (await import("../query.ts")).list(g, { format: text(v, "format") ?? "table", quiet: v["quiet"] === true }),
  },
  explain: {
    words: "[options] ID",
    summary: "print the system calls that create would make, and make none",
    options: { ...bundleOptions, json: { type: "boolean", help: "as JSON" } },
    takes: 1,
    perform: async (g, v, [id]) => {
      const [{ prepareCreate }, { explainData, explainText }] = await Promise.all([
        import("../create.ts"),
        import("../../program/explain.ts"),
      ]);
      const o = createOptions(v, { mode: "create", keep: true, subreaper: false });
      const { program } = await prepareCreate(g, id, o);
      put(1, `${v["json"] ? JSON.stringify(explainData(program), null, 2) : explainText(program)}\n`);
      return 0;
    },
  },
  spec: {
    words: "[options]",
    summary: "write a configuration to begin with",
    options: {
      bundle: { type: "string", short: "b", value: "DIR", help: "where (default: the working directory)" },
      file: { type: "string", short: "f", value: "FILE", help: "by which name (default: config.json)" },
      rootless: { type: "boolean", help: "for a user who is not root" },
    },
    takes: 0,
    perform: async (_, v) =>
      (await import("../template.ts")).writeTemplate(
        resolve(text(v, "bundle") ?? ".", text(v, "file") ?? "config.json"),
        v["rootless"] === true,
      ),
  },
  features: {
    words: "",
    summary: "print what this runtime can do on this machine",
    options: {},
    takes: 0,
    perform: async () => {
      put(1, `${JSON.stringify((await import("../features.ts")).features(), null, 2)}\n`);
      return 0;
    },
  },
};
