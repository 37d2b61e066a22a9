import { editsOf } from "../cdi/edits.ts";
import { readCdi } from "../cdi/files.ts";
import { parseName } from "../cdi/names.ts";
import type { DeviceNode, Edits } from "../cdi/schema.ts";
import { UnsupportedError } from "../values/errors.ts";
import { byPath, type DeviceChoice } from "./devices.ts";
import { type ContainerOptions, isVolumeOption, type Volume } from "./options.ts";

const chosen = (node: DeviceNode): DeviceChoice => ({
  source: node.hostPath ?? node.path,
  ...(node.permissions && { access: node.permissions }),
  ...(node.fileMode !== undefined && { mode: node.fileMode & 0o7777 }),
  ...(node.uid !== undefined && { uid: node.uid }),
  ...(node.gid !== undefined && { gid: node.gid }),
});

type CdiMount = Edits["mounts"][number];

/** Words that say what a volume is anyway. */
const implied = ["bind", "rbind", "rw", "ro"];

function volume(m: CdiMount): Volume {
  const other = m.options.find((o) => !implied.includes(o) && !isVolumeOption(o));
  if (other !== undefined) throw new UnsupportedError("devices", `mount option ${other} of ${m.containerPath}`);
  return { source: m.hostPath, readOnly: m.options.includes("ro"), options: m.options.filter(isVolumeOption) };
}

const isTmpfs = (m: CdiMount) => m.type === "tmpfs";

function checkKinds(edits: readonly Edits[]): void {
  for (const e of edits) {
    if (e.netDevices.length) throw new UnsupportedError("devices", "network devices of a CDI file");
    if (e.intelRdt !== undefined) throw new UnsupportedError("devices", "intelRdt of a CDI file");
    const odd = e.mounts.find((m) => !isTmpfs(m) && m.type !== "" && m.type !== "bind" && m.type !== "none");
    if (odd) throw new UnsupportedError("devices", `a ${odd.type} on ${odd.containerPath}, of a CDI file`);
  }
}

/** What hooks would do to a root filesystem is there already where the root is this machine's own. */
function checkHooks(edits: readonly Edits[], onHost: boolean): string[] {
  const hooks = edits.flatMap((e) => e.hooks.map((h) => h.path));
  if (hooks.length === 0) return [];
  const words = `hooks of a CDI file (${[...new Set(hooks)].join(", ")})`;
  if (!onHost) throw new UnsupportedError("devices", `${words} are performed by caisson-oci only, under an engine`);
  return [`devices: ${words} are not performed`];
}

export type WithCdi = { readonly options: ContainerOptions; readonly notApplied: readonly string[] };

/**
 * The options with what files of /etc/cdi and /var/run/cdi say of those of the devices that are named by the Container Device
 * Interface. Of two that say something of one name, the caller is right.
 */
export function withCdi(o: ContainerOptions, devices: readonly string[]): WithCdi {
  const names = devices.flatMap((text) => parseName(text) ?? []);
  if (names.length === 0) return { options: o, notApplied: [] };
  const edits = editsOf(readCdi(), names);
  checkKinds(edits);
  const notApplied = checkHooks(edits, o.rootfs === undefined);
  const plain = devices.filter((text) => parseName(text) === undefined);
  const nodes = edits.flatMap((e) => e.deviceNodes.map((node) => [node.path, chosen(node)] as const));
  const mounts = edits.flatMap((e) => e.mounts);
  const [first, rest] = [mounts.filter(isTmpfs), mounts.filter((m) => !isTmpfs(m))];
  const env = edits.flatMap((e) =>
    e.env.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
  );
  const groups = edits.flatMap((e) => e.additionalGids).filter((gid) => gid !== 0);
  return {
    notApplied,
    options: {
      ...o,
      devices: { ...Object.fromEntries(nodes), ...byPath(plain) },
      env: { ...Object.fromEntries(env), ...o.env },
      tmpfs: { ...Object.fromEntries(first.map((m) => [m.containerPath, m.options.join(",")])), ...o.tmpfs },
      volumes: { ...Object.fromEntries(rest.map((m) => [m.containerPath, volume(m)])), ...o.volumes },
      ...(groups.length && { groups: [...new Set([...(o.groups ?? []), ...groups])] }),
    },
  };
}
