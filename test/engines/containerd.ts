import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, openSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { runtimes, sh, until } from "./machine.ts";

/** A containerd of its own in a directory, which finds our shim by its name alone. */
export class Containerd {
  readonly socket: string;
  readonly #at: string;
  readonly #bin: string;
  #daemon: ChildProcess | undefined;

  /** `config` is what follows root and state. */
  constructor(at: string, config: (socket: string) => string) {
    this.#at = at;
    this.#bin = join(at, "bin");
    this.socket = join(at, "socket");
    mkdirSync(this.#bin);
    symlinkSync(runtimes.caisson, join(this.#bin, "containerd-shim-caisson-v2"));
    writeFileSync(
      join(at, "config.toml"),
      `version = 2\nroot = "${at}/root"\nstate = "${at}/state"\n${config(this.socket)}`,
    );
  }

  get log(): string {
    return readFileSync(join(this.#at, "log"), "utf8");
  }

  async start(): Promise<void> {
    const log = openSync(join(this.#at, "log"), "a");
    this.#daemon = spawn("containerd", ["--config", join(this.#at, "config.toml")], {
      stdio: ["ignore", log, log],
      env: { ...process.env, PATH: `${this.#bin}${delimiter}${process.env["PATH"]}` },
    });
    await until("containerd", () => sh(["ctr", "-a", this.socket, "version"]).code === 0);
  }

  async stop(): Promise<void> {
    this.#daemon?.kill("SIGTERM");
    await until("the end of containerd", () => this.#daemon?.exitCode !== null || this.#daemon.signalCode !== null);
  }

  /** Processes that have this word in their command line, and this containerd's socket. */
  processes(word: string): string[] {
    return readdirSync("/proc").filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return words.includes(word) && words.includes(this.socket);
      } catch {
        return false;
      }
    });
  }
}
