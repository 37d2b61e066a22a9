import { InvalidOptionError } from "../../values/errors.ts";
import { type Controller, present, readNested, write } from "../controller.ts";
import { parseCountOrMax } from "../parse.ts";

/** By device name ("mlx4_0"). Source: cgroup-v2 "RDMA Interface Files"; cgroup-v1 "rdma". */
export type RdmaInput = Readonly<
  Record<string, { readonly handles?: number | string; readonly objects?: number | string }>
>;
export type RdmaLimits = Readonly<Record<string, { readonly handles?: number; readonly objects?: number }>>;
export type RdmaUsage = RdmaLimits;

const words = (l: { readonly handles?: number; readonly objects?: number }) =>
  [
    ["hca_handle", l.handles],
    ["hca_object", l.objects],
  ]
    .filter(([, v]) => v !== undefined)
    .map(([k, v]) => `${k}=${v === Number.POSITIVE_INFINITY ? "max" : v}`)
    .join(" ");
const parsed = (text: string | undefined): RdmaLimits =>
  Object.fromEntries(
    Object.entries(readNested(text)).map(([device, v]) => [
      device,
      present({ handles: v["hca_handle"], objects: v["hca_object"] }),
    ]),
  );

export const rdma: Controller<RdmaInput, RdmaLimits, RdmaUsage> = {
  name: "rdma",
  v1: "rdma",
  v2: "rdma",
  config: "CONFIG_CGROUP_RDMA",
  parse: (input, field) =>
    Object.fromEntries(
      Object.entries(input).map(([device, l]) => {
        if (!/^[\w.:-]+$/.test(device)) throw new InvalidOptionError(field, device, 'a device name such as "mlx4_0"');
        const handles = parseCountOrMax(`${field}.${device}.handles`, l.handles);
        const objects = parseCountOrMax(`${field}.${device}.objects`, l.objects);
        return [device, present({ handles, objects })];
      }),
    ),
  writes: (l) =>
    Object.entries(l)
      .filter(([, limits]) => words(limits))
      .map(([device, limits]) =>
        write("rdma.max", `${device} ${words(limits)}`, {
          undo: (old) => [
            old.split("\n").find((line) => line.startsWith(`${device} `)) ?? `${device} hca_handle=max hca_object=max`,
          ],
        }),
      ),
  limits: (f) => parsed(f.read("rdma.max")),
  usage: (f) => parsed(f.read("rdma.current")),
};
