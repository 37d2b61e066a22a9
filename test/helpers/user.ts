import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

const UID = 65533;
const dist = join(import.meta.dir, "../../dist");

/** Somebody who is not root, with what was built in a place of its own: the repository may be out of its reach. */
export class User {
  readonly at = mkdtempSync("/tmp/caisson-user-");
  readonly #env: Readonly<Record<string, string>>;

  constructor() {
    chmodSync(this.at, 0o755);
    cpSync(dist, join(this.at, "dist"), { recursive: true });
    const [home, run] = [join(this.at, "home"), join(this.at, "run")];
    for (const directory of [home, run]) {
      mkdirSync(directory, { mode: 0o700 });
      chownSync(directory, UID, UID);
    }
    const PATH = `${join(this.at, "dist")}:${process.env["PATH"]}`;
    this.#env = { PATH, HOME: home, XDG_RUNTIME_DIR: run };
  }

  /** A script of the shell, as the user. */
  sh(script: string): { readonly code: number; readonly out: string; readonly err: string } {
    const become = ["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
    const r = Bun.spawnSync([...become, "sh", "-c", script], {
      cwd: "/tmp",
      env: this.#env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    return { code: r.exitCode, out: String(r.stdout), err: String(r.stderr) };
  }

  [Symbol.dispose](): void {
    rmSync(this.at, { recursive: true, force: true });
  }
}
