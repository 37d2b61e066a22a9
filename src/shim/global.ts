import { join } from "node:path";
import { isSystemd } from "../cgroups/scope.ts";
import { readJson } from "../host/files.ts";
import type { Global } from "../oci/context.ts";
import type { Options } from "./protocol/options_pb.ts";

/**
 * Who is to make the group, by the path that the bundle names it with. containerd's CRI plugin hands on no options but to runc's own shim, so
 * that a kubelet and a Docker with systemd's driver say it by that alone.
 */
function namesUnit(bundle: string): boolean {
  if (!isSystemd()) return false;
  try {
    const config = readJson<{ linux?: { cgroupsPath?: unknown } }>(join(bundle, "config.json"));
    return /^[^/:]+\.slice:[^/:]*:[^/:]+$/.test(String(config?.linux?.cgroupsPath));
  } catch {
    // What is wrong with it is said when all of it is read.
    return false;
  }
}

/** What the runtime's commands are given beside their words. */
export function globalOf(root: string, o?: Options, bundle?: string): Global {
  return {
    root,
    log: { path: undefined, format: "json", debug: false },
    systemd: o?.systemdCgroup === true || (bundle !== undefined && namesUnit(bundle)),
    rootless: "auto",
    criu: o?.criuPath || "criu",
    ...{ self: [], words: [] },
  };
}
