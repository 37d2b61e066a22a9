import { describe, expect, test } from "bun:test";
import { Bundle, shell } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

const capabilities = ["CAP_SYS_ADMIN", "CAP_SETFCAP", "CAP_SETUID", "CAP_SETGID"];
const masked = ["/proc/kcore"];

/** Whether a user namespace inside may mount a proc in which nothing is masked. */
function mountsProc(...options: string[]) {
  using b = new Bundle(shell("unshare -mrpf sh -c 'mount -t proc none /proc && echo mounted'"), (s) => ({
    ...s,
    process: {
      ...s.process,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    linux: { ...s.linux, maskedPaths: masked, readonlyPaths: ["/proc/sys"] },
  }));
  return b.call(["run", ...options, "--bundle", b.at, b.id]);
}

describe.skipIf(!isRoot)("--no-pivot", () => {
  for (const options of [[], ["--no-pivot"]])
    test(`run ${options.join(" ")}: the host's proc is not left below, for the kernel to go by`, () => {
      const r = mountsProc(...options);
      expect(r.out).not.toContain("mounted");
      expect(r.err).toMatch(/permission denied|not permitted/i);
    });
});
