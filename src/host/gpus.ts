import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { namesIn } from "./files.ts";

/** A graphics processor of this machine, and the device nodes that are its own. */
export type Gpu = {
  /** "0000:00:06.0" */
  readonly address: string;
  readonly driver: string;
  readonly model?: string;
  readonly uuid?: string;
  readonly nodes: readonly string[];
};

const there = (paths: readonly string[]) => paths.filter((path) => existsSync(path));

/** What the kernel's direct rendering knows: a card's nodes by its PCI address. Documentation/gpu/drm-uapi.rst. */
function rendering(sys: string): Map<string, { driver: string; nodes: string[] }> {
  const cards = new Map<string, { driver: string; nodes: string[] }>();
  for (const name of namesIn(`${sys}/class/drm`).sort()) {
    if (!/^(card|renderD)\d+$/.test(name)) continue;
    const device = `${sys}/class/drm/${name}/device`;
    // What has no driver of its own draws on nothing: vkms, simpledrm.
    if (!existsSync(`${device}/driver`)) continue;
    const address = basename(realpathSync(device));
    const card = cards.get(address) ?? { driver: basename(realpathSync(`${device}/driver`)), nodes: [] };
    card.nodes.push(`/dev/dri/${name}`);
    cards.set(address, card);
  }
  return cards;
}

/** NVIDIA's driver tells of itself in a directory of procfs: "Device Minor: 	 0". */
function nvidia(proc: string): Gpu[] {
  const directory = `${proc}/driver/nvidia/gpus`;
  return namesIn(directory).map((address) => {
    const text = readFileSync(join(directory, address, "information"), "utf8");
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(text)?.[1];
    const [model, uuid, minor] = [field("Model"), field("GPU UUID"), field("Device Minor")];
    return {
      address,
      driver: "nvidia",
      ...(model && { model }),
      ...(uuid && { uuid }),
      nodes: minor === undefined ? [] : [`/dev/nvidia${minor}`],
    };
  });
}

/** By their PCI addresses, as nvidia-smi numbers them. */
export function findGpus(proc = "/proc", sys = "/sys"): readonly Gpu[] {
  const drawn = rendering(sys);
  const own = nvidia(proc).map((g) => ({ ...g, nodes: [...g.nodes, ...(drawn.get(g.address)?.nodes ?? [])] }));
  const others = [...drawn]
    .filter(([address]) => !own.some((g) => g.address === address))
    .map(([address, card]) => ({ address, ...card }));
  return [...own, ...others].sort((a, b) => (a.address < b.address ? -1 : 1));
}

const shared: Readonly<Record<string, readonly string[]>> = {
  nvidia: ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"],
  amdgpu: ["/dev/kfd"],
};

/** The nodes of these, and those that all processors of a driver have in common. */
export const nodesOf = (gpus: readonly Gpu[]): readonly string[] =>
  there([...new Set([...gpus.flatMap((g) => shared[g.driver] ?? []), ...gpus.flatMap((g) => g.nodes)])]);
