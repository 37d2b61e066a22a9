import { expect, test } from "bun:test";
import { limitsOfResources } from "../../src/cgroups/oci.ts";
import { withDefaultDevices } from "../../src/oci/groups.ts";
import { unitDevices } from "../../src/oci/unit-devices.ts";

const table = "Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n  8 sd\n259 blkext\n";
type Rules = NonNullable<NonNullable<Parameters<typeof withDefaultDevices>[0]>["devices"]>;
const of = (devices: Rules, defaults = false) =>
  unitDevices(
    limitsOfResources(defaults ? withDefaultDevices({ devices }) : { devices }).devices ?? {
      default: "deny",
      rules: [],
    },
    table,
  ).map((p) => p.join(" "));
const CLEAR = "DeviceAllow a(ss) 0";

test("what a container may have is what systemd's list allows", () => {
  expect(of([{ allow: true, type: "b", major: 8, access: "r" }], true)).toEqual([
    "DevicePolicy s strict",
    CLEAR,
    "DeviceAllow a(ss) 11 block-sd r char-* m block-* m /dev/char/1:3 rwm /dev/char/1:5 rwm /dev/char/1:7 rwm " +
      "/dev/char/1:8 rwm /dev/char/1:9 rwm /dev/char/5:0 rwm /dev/char/5:2 rwm char-pts rwm",
  ]);
});

test("all devices, and none", () => {
  expect(of([{ allow: true }])).toEqual(["DevicePolicy s auto", CLEAR]);
  expect(of([{ allow: true }, { allow: false }])).toEqual(["DevicePolicy s strict", CLEAR, CLEAR]);
});

test("what a later rule takes away is not allowed, not even in part; numbers that nobody has are left out", () => {
  const rules: Rules = [
    { allow: false },
    { allow: true, type: "c", major: 1, access: "rw" },
    { allow: true, type: "b", major: 8, minor: 0, access: "rw" },
    { allow: true, type: "c", major: 77, access: "rw" },
    { allow: false, type: "c", major: 1, minor: 8, access: "r" },
  ];
  expect(of(rules)).toEqual(["DevicePolicy s strict", CLEAR, "DeviceAllow a(ss) 1 /dev/block/8:0 rw"]);
});
