import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findGpus } from "../../src/host/gpus.ts";

const top = mkdtempSync(join(tmpdir(), "caisson-gpus-"));
afterAll(() => rmSync(top, { recursive: true }));

function card(sys: string, name: string, address: string, driver?: string) {
  const device = join(sys, "devices", address);
  mkdirSync(join(device, "drm", name), { recursive: true });
  mkdirSync(join(sys, "class/drm"), { recursive: true });
  symlinkSync(device, join(device, "drm", name, "device"));
  symlinkSync(join(device, "drm", name), join(sys, "class/drm", name));
  if (!driver) return;
  mkdirSync(join(sys, "drivers", driver), { recursive: true });
  try {
    symlinkSync(join(sys, "drivers", driver), join(device, "driver"));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "EEXIST") throw e;
  }
}

test("those of all drivers, by their PCI addresses", () => {
  const [proc, sys] = [join(top, "proc"), join(top, "sys")];
  for (const [address, minor, uuid] of [
    ["0000:41:00.0", 1, "GPU-b"],
    ["0000:01:00.0", 0, "GPU-a"],
  ]) {
    const directory = join(proc, "driver/nvidia/gpus", String(address));
    mkdirSync(directory, { recursive: true });
    writeFileSync(
      join(directory, "information"),
      `Model: \t\t NVIDIA X\nIRQ:   \t\t 40\nGPU UUID: \t ${uuid}\nBus Type: \t PCIe\nDevice Minor: \t ${minor}\n`,
    );
  }
  card(sys, "card0", "0000:21:00.0", "amdgpu");
  card(sys, "renderD128", "0000:21:00.0", "amdgpu");
  card(sys, "renderD129", "0000:41:00.0", "nvidia");
  card(sys, "card0-HDMI-A-1", "0000:21:00.0", "amdgpu");
  card(sys, "card9", "vkms");
  expect(findGpus(proc, sys)).toEqual([
    { address: "0000:01:00.0", driver: "nvidia", model: "NVIDIA X", uuid: "GPU-a", nodes: ["/dev/nvidia0"] },
    { address: "0000:21:00.0", driver: "amdgpu", nodes: ["/dev/dri/card0", "/dev/dri/renderD128"] },
    {
      address: "0000:41:00.0",
      driver: "nvidia",
      model: "NVIDIA X",
      uuid: "GPU-b",
      nodes: ["/dev/nvidia1", "/dev/dri/renderD129"],
    },
  ]);
});

test("a machine without any", () => {
  expect(findGpus(join(top, "none"), join(top, "none"))).toEqual([]);
});
