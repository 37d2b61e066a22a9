import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

const dist = join(import.meta.dir, "../../dist");

export type Typed = { readonly code: number; readonly out: string; readonly err: string };

/** Performs a command as root, and gives what it wrote. */
export function root(...words: string[]): string {
  const r = Bun.spawnSync(words, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  if (r.exitCode !== 0) throw new Error(`${words.join(" ")}: ${String(r.stderr) || String(r.stdout)}`);
  return String(r.stdout);
}

/** A user who is logged in, with a systemd of its own. What it types is in a session's group, which is root's. */
export class Session {
  readonly name: string;
  readonly uid: string;
  readonly at = mkdtempSync("/tmp/user-");
  #calls = 0;

  constructor(name: string) {
    this.name = name;
    root("useradd", "--create-home", name);
    this.uid = root("id", "-u", name).trim();
    root("systemctl", "start", `user@${this.uid}.service`);
    chmodSync(this.at, 0o755);
    cpSync(dist, join(this.at, "dist"), { recursive: true });
  }

  /** As the user, in a session of its own. */
  type(...words: string[]): Typed {
    const unit = ["--quiet", "--scope", "--unit", `session-${++this.#calls}`, "--slice", `user-${this.uid}.slice`];
    const as = ["setpriv", "--reuid", this.name, "--regid", this.name, "--init-groups", "--reset-env"];
    const PATH = `${this.at}/dist:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
    const env = ["env", "-C", "/tmp", `XDG_RUNTIME_DIR=/run/user/${this.uid}`, `PATH=${PATH}`, `USER=${this.name}`];
    const r = Bun.spawnSync(["systemd-run", ...unit, ...as, ...env, ...words], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    return { code: r.exitCode, out: String(r.stdout), err: String(r.stderr) };
  }

  sh(script: string): Typed {
    return this.type("sh", "-c", script);
  }

  /** The group of the user's manager. */
  get manager(): string {
    return `/user.slice/user-${this.uid}.slice/user@${this.uid}.service`;
  }

  end(): void {
    root("systemctl", "stop", `user@${this.uid}.service`);
    root("userdel", "--remove", this.name);
    rmSync(this.at, { recursive: true, force: true });
  }
}
