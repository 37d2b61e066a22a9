import { join } from "node:path";

export const caisson = join(import.meta.dir, "../../dist/caisson");

/** Runs the compiled command and waits for its end. */
export async function sh(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const p = Bun.spawn([caisson, ...args], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const [out, err, code] = await Promise.all([new Response(p.stdout).text(), new Response(p.stderr).text(), p.exited]);
  return { code, out, err };
}
