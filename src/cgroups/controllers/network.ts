import { InvalidOptionError } from "../../values/errors.ts";
import { parseCount } from "../../values/units.ts";
import { type Controller, present, readKeyed, readNumber, write } from "../controller.ts";

/** v1 only: on v2 a filter on the group's path does the same (cgroup-v2 "Miscellaneous controllers"). */
export type NetClsInput = { readonly classid?: number | string };
export type NetClsLimits = { readonly classid?: number };

/** Marks its packets for tc(8): 0xAAAABBBB is class AAAA:BBBB. Source: cgroup-v1 "net_cls". */
export const netCls: Controller<NetClsInput, NetClsLimits, Record<string, never>> = {
  name: "netCls",
  v1: "net_cls",
  config: "CONFIG_CGROUP_NET_CLASSID",
  fields: ["classid"],
  parse(input, field) {
    if (input.classid === undefined) return {};
    const n = Number(input.classid);
    if (!Number.isInteger(n) || n < 0 || n > 0xffffffff)
      throw new InvalidOptionError(`${field}.classid`, input.classid, "a class id from 0 to 0xffffffff");
    return { classid: n };
  },
  writes: (l) => (l.classid === undefined ? [] : [write("net_cls.classid", l.classid)]),
  limits: (f) => present({ classid: readNumber(f.read("net_cls.classid")) }),
  usage: () => ({}),
};

/** By interface: the priority of its packets. Source: cgroup-v1 "net_prio". */
export type NetPrioInput = Readonly<Record<string, number | string>>;
export type NetPrioLimits = Readonly<Record<string, number>>;

export const netPrio: Controller<NetPrioInput, NetPrioLimits, Record<string, never>> = {
  name: "netPrio",
  v1: "net_prio",
  config: "CONFIG_CGROUP_NET_PRIO",
  parse: (input, field) =>
    Object.fromEntries(Object.entries(input).map(([name, n]) => [name, parseCount(`${field}.${name}`, n)])),
  writes: (l) =>
    Object.entries(l).map(([name, n]) =>
      write("net_prio.ifpriomap", `${name} ${n}`, { undo: (old) => [`${name} ${readKeyed(old)[name] ?? 0}`] }),
    ),
  limits: (f) => readKeyed(f.read("net_prio.ifpriomap")),
  usage: () => ({}),
};
