import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, into, type Loose, low, struct } from "../program/values.ts";
import type { DeviceRule, DevicesLimits } from "./controllers/devices.ts";

/** linux/bpf.h, linux/bpf_common.h */
const OP = {
  LOAD_U32: 0x61,
  AND: 0x57,
  SHIFT_RIGHT: 0x77,
  MOVE: 0xb7,
  MOVE_REGISTER: 0xbf,
  JUMP_NOT_EQUAL: 0x55,
  JUMP_EQUAL: 0x15,
  EXIT: 0x95,
} as const;
const BPF = { PROG_LOAD: 5, PROG_ATTACH: 8, PROG_DETACH: 9, PROG_GET_FD_BY_ID: 13, PROG_QUERY: 16 } as const;
const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
const BPF_CGROUP_DEVICE = 6;
const BPF_F_ALLOW_MULTI = 2;
const TYPE = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const EVERY = 7;

type Instruction = { code: number; dst?: number; src?: number; offset?: number; value?: number };

/** Registers: what is asked for. */
const R = { RESULT: 0, CONTEXT: 1, KIND: 2, WANTED: 3, MAJOR: 4, MINOR: 5, SCRATCH: 6 } as const;

const decide = (allow: boolean): Instruction[] => [
  { code: OP.MOVE, dst: R.RESULT, value: allow ? 1 : 0 },
  { code: OP.EXIT },
];

/** An allow rule must cover all that is asked for; a deny rule holds if it touches any of it. */
function tests(r: DeviceRule): Instruction[] {
  const mask = [...r.access].reduce((bits, a) => bits | (ACCESS[a] ?? 0), 0);
  const unless = (register: number, value: number | undefined): Instruction[] =>
    value === undefined ? [] : [{ code: OP.JUMP_NOT_EQUAL, dst: register, value }];
  return [
    ...unless(R.KIND, r.type === "a" ? undefined : TYPE[r.type]),
    ...unless(R.MAJOR, r.major),
    ...unless(R.MINOR, r.minor),
    ...(mask === EVERY
      ? []
      : [
          { code: OP.MOVE_REGISTER, dst: R.SCRATCH, src: R.WANTED },
          { code: OP.AND, dst: R.SCRATCH, value: r.allow ? ~mask : mask },
          { code: r.allow ? OP.JUMP_NOT_EQUAL : OP.JUMP_EQUAL, dst: R.SCRATCH, value: 0 },
        ]),
  ];
}

/** A test that fails leads to the rule behind this one. */
function rule(r: DeviceRule): Instruction[] {
  const body = [...tests(r), ...decide(r.allow)];
  return body.map((i, at) =>
    i.code === OP.JUMP_NOT_EQUAL || i.code === OP.JUMP_EQUAL ? { ...i, offset: body.length - at - 1 } : i,
  );
}

/** struct bpf_cgroup_dev_ctx: access << 16 | type, major, minor. The last rule that fits decides, so it is asked first. */
export function deviceFilter(limits: DevicesLimits): Uint8Array {
  const last = [...limits.rules].reverse();
  // The verifier takes no instruction that cannot be reached: what is behind a rule for everything.
  const sure = last.findIndex((r) => tests(r).length === 0);
  const asked = sure < 0 ? last : last.slice(0, sure + 1);
  const instructions: Instruction[] = [
    { code: OP.LOAD_U32, dst: R.KIND, src: R.CONTEXT, offset: 0 },
    { code: OP.MOVE_REGISTER, dst: R.WANTED, src: R.KIND },
    { code: OP.AND, dst: R.KIND, value: 0xffff },
    { code: OP.SHIFT_RIGHT, dst: R.WANTED, value: 16 },
    { code: OP.LOAD_U32, dst: R.MAJOR, src: R.CONTEXT, offset: 4 },
    { code: OP.LOAD_U32, dst: R.MINOR, src: R.CONTEXT, offset: 8 },
    ...asked.flatMap(rule),
    ...(sure < 0 ? decide(limits.default === "allow") : []),
  ];
  const view = new DataView(new ArrayBuffer(8 * instructions.length));
  instructions.forEach(({ code, dst = 0, src = 0, offset = 0, value = 0 }, i) => {
    view.setUint8(8 * i, code);
    view.setUint8(8 * i + 1, dst | (src << 4));
    view.setInt16(8 * i + 2, offset, true);
    view.setInt32(8 * i + 4, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** Loads the filter and attaches it: filters of ancestors hold as well (BPF_F_ALLOW_MULTI). bpf(2). */
export function attachDeviceFilter(s: SectionBuilder, group: Loose, limits: DevicesLimits): Slot {
  const code = { name: "device filter", bytes: deviceFilter(limits), pointers: [] };
  const load = struct("bpf_attr", [
    [4, BPF_PROG_TYPE_CGROUP_DEVICE],
    [4, code.bytes.length / 8],
    [8, into(code)],
    [8, { kind: "text", text: "Apache-2.0" }],
    [4, 0],
    [4, 0],
    [8, 0],
  ]);
  const program = s.get("load the device filter", "bpf", [BPF.PROG_LOAD, load, load.bytes.length]);
  const attach = struct("bpf_attr", [
    [4, 0],
    [4, 0],
    [4, BPF_CGROUP_DEVICE],
    [4, BPF_F_ALLOW_MULTI],
  ]);
  s.store(group, attach, 0, 4);
  s.store(program, attach, 4, 4);
  s.call("attach the device filter", "bpf", [BPF.PROG_ATTACH, attach, 16]);
  return program;
}

/** Attaches a new filter and takes away the one that was there: in between both hold, never none. */
export function replaceDeviceFilter(s: SectionBuilder, group: Loose, limits: DevicesLimits): void {
  const before = s.program.slot("id of the device filter that was there");
  const query = struct("bpf_attr", [
    [4, 0],
    [4, BPF_CGROUP_DEVICE],
    [4, 0],
    [4, 0],
    [8, addressOf(before)],
    [4, 1],
    [4, 0],
    [8, 0],
  ]);
  s.store(group, query, 0, 4);
  // ENOSPC: more than one, none of which is ours alone.
  s.call("look for a device filter", "bpf", [BPF.PROG_QUERY, query, query.bytes.length], { ignore: ["ENOSPC"] });
  attachDeviceFilter(s, group, limits);
  s.skipIf(low(before), "==", -1, () => {
    const byId = struct("bpf_attr", [
      [4, 0],
      [4, 0],
      [4, 0],
      [4, 0],
    ]);
    s.store(low(before), byId, 0, 4);
    const old = s.get("open the old device filter", "bpf", [BPF.PROG_GET_FD_BY_ID, byId, 12]);
    const detach = struct("bpf_attr", [
      [4, 0],
      [4, 0],
      [4, BPF_CGROUP_DEVICE],
      [4, 0],
    ]);
    s.store(group, detach, 0, 4);
    s.store(old, detach, 4, 4);
    s.call("take away the old device filter", "bpf", [BPF.PROG_DETACH, detach, 16]);
    s.call("close it", "close", [old]);
  });
}
