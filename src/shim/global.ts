import type { Global } from "../oci/context.ts";
import type { Options } from "./protocol/options_pb.ts";

/** What the runtime's commands are given beside their words. */
export function globalOf(root: string, o?: Options): Global {
  return {
    root,
    log: { path: undefined, format: "json", debug: false },
    systemd: o?.systemdCgroup === true,
    rootless: "auto",
    criu: o?.criuPath || "criu",
    ...{ self: [], words: [] },
  };
}
