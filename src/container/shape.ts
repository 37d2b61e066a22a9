import { networkShape } from "../network/shape.ts";
import { InvalidOptionError } from "../values/errors.ts";
import {
  amount,
  checkShape,
  either,
  fields,
  flag,
  listOf,
  object,
  recordOf,
  type Shape,
  shape,
  text,
  whole,
} from "../values/shape.ts";
import type { ContainerOptions } from "./options.ts";

const id = whole(0, 0xffffffff);
const ranges = listOf(fields({ container: id, host: id, size: id }, ["container", "host", "size"]));
const volume = fields({ source: text, readOnly: flag, options: listOf(text), idmap: flag }, ["source"]);
const device = fields({ source: text, access: text, mode: whole(0, 0o7777), uid: id, gid: id }, ["source"]);

/** What each option is made of. */
export const shapes: { readonly [K in keyof Required<ContainerOptions>]: Shape } = {
  name: text,
  rootfs: either(text, fields({ overlay: text }, ["overlay"])),
  keep: either(flag, text),
  memory: amount,
  cpus: amount,
  pidsLimit: amount,
  limits: object,
  cgroups: text,
  cgroupParent: text,
  env: recordOf(
    text,
    shape("of one letter at least, without = and NUL", (v) => /^[^=\0]+$/.test(String(v))),
  ),
  volumes: recordOf(either(text, volume)),
  tmpfs: recordOf(text),
  readOnly: flag,
  workdir: text,
  user: text,
  groups: listOf(amount),
  hostname: text,
  domainname: text,
  network: networkShape,
  namespaces: object,
  pod: text,
  capAdd: listOf(text),
  capDrop: listOf(text),
  noNewPrivileges: flag,
  seccomp: either(text, object),
  onSyscall: object,
  answer: listOf(text),
  view: flag,
  date: text,
  syscallDeadline: amount,
  reportBlocked: flag,
  learn: flag,
  ulimits: object,
  devices: either(listOf(text), recordOf(either(text, device))),
  gpus: either(amount, listOf(amount)),
  paths: fields({ readOnly: listOf(text), readWrite: listOf(text) }),
  unmask: flag,
  apparmorProfile: text,
  selinuxLabel: text,
  profile: text,
  labels: recordOf(text),
  hosts: recordOf(text),
  sysctls: recordOf(text),
  oomScoreAdj: whole(-1000, 1000),
  umask: whole(0, 0o777),
  init: flag,
  tty: either(flag, fields({ rows: whole(0, 0xffff), columns: whole(0, 0xffff) }, ["rows", "columns"])),
  timeout: amount,
  strict: flag,
  rootless: flag,
  clock: fields({ monotonic: amount, boottime: amount }),
  idMap: fields({ uid: ranges, gid: ranges }, ["uid", "gid"]),
};

/** Every option there is. */
export const optionNames = Object.keys(shapes) as readonly (keyof ContainerOptions)[];

/** Refuses what is no option, and what none can be, before anything is looked up. */
export function checkShapes(o: { readonly [K in keyof ContainerOptions]: unknown }): void {
  for (const [name, value] of Object.entries(o)) {
    // As if it was not given: so one takes away an option of a run's that a container has not.
    if (value === undefined) continue;
    if (!Object.hasOwn(shapes, name))
      throw new InvalidOptionError(name, value, `an option; known are ${optionNames.join(", ")}`);
    checkShape(name, value, shapes[name as keyof ContainerOptions]);
  }
}

const words = shape(
  "a list of texts, with at least one: nothing splits a line",
  (v) => listOf(text).holds(v) && (v as string[]).length > 0,
);
export const checkCommand = (command: readonly string[]): void => checkShape("command", command, words);
