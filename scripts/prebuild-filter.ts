/** Writes src/seccomp/prebuilt.ts: run it after a change of the default profile or of the assembler. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defaultCapabilities } from "../src/container/capabilities.ts";
import type { Arch } from "../src/kernel/arch.ts";
import { nativeArchitecture } from "../src/seccomp/architectures.ts";
import { assemble } from "../src/seccomp/assemble.ts";
import { filterBytes } from "../src/seccomp/bpf.ts";
import { defaultProfile } from "../src/seccomp/profile.ts";

const filter = (arch: Arch) =>
  Buffer.from(filterBytes(assemble(defaultProfile(arch, defaultCapabilities), nativeArchitecture(arch)))).toString(
    "base64",
  );
const wrapped = (text: string) => (text.match(/.{1,110}/g) ?? []).map((l) => `    "${l}"`).join(" +\n");
const parts = (["x86_64", "aarch64"] as const).map((arch) => `  ${arch}:\n${wrapped(filter(arch))},\n`);
writeFileSync(
  fileURLToPath(new URL("../src/seccomp/prebuilt.ts", import.meta.url)),
  `/** Made by scripts/prebuild-filter.ts: the assembled default profile, base64. */\nexport const prebuilt = {\n${parts.join("")}};\n`,
);
