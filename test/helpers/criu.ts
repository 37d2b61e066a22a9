import { spawnSync } from "node:child_process";

/** Why nothing can be checkpointed here; "" where it can. Debian's criu 3.17 does not start on kernels that are much younger. */
export function whyNoCriu(): string {
  if (process.geteuid?.() !== 0) return "needs root";
  const { error, status, stderr, stdout } = spawnSync("criu", ["check"], { encoding: "utf8" });
  if (error) return "criu is not installed";
  return status === 0 ? "" : `criu check: ${`${stdout}${stderr}`.trim().split("\n")[0]}`;
}
