import { InvalidOptionError } from "../../values/errors.ts";
import { type Controller, readKeyed, write } from "../controller.ts";
import { parseCountOrMax } from "../parse.ts";

/** Scalar resources by name: "sev", "sev_es", "tdx", "sgx_epc". Source: cgroup-v2 "Misc". */
export type MiscInput = Readonly<Record<string, number | string>>;
export type MiscLimits = Readonly<Record<string, number>>;

export const misc: Controller<MiscInput, MiscLimits, MiscLimits> = {
  name: "misc",
  v1: "misc",
  v2: "misc",
  config: "CONFIG_CGROUP_MISC",
  parse: (input, field) =>
    Object.fromEntries(
      Object.entries(input).map(([name, value]) => {
        if (!/^\w+$/.test(name)) throw new InvalidOptionError(field, name, 'a resource such as "sev"');
        return [name, parseCountOrMax(`${field}.${name}`, value) as number];
      }),
    ),
  writes: (l) =>
    Object.entries(l).map(([name, value]) =>
      write("misc.max", `${name} ${Number.isFinite(value) ? value : "max"}`, {
        undo: (old) => [`${name} ${readKeyed(old)[name] ?? "max"}`.replace("Infinity", "max")],
      }),
    ),
  limits: (f) => readKeyed(f.read("misc.max")),
  usage: (f) => readKeyed(f.read("misc.current")),
  events: { v2: [{ file: "misc.events", names: [] }] },
};
