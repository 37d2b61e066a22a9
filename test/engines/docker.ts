import { type ChildProcess, spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clear, clearGroups, rootfs, sh, until, workplace } from "./machine.ts";

const DOCKER = "/usr/bin/docker";

/** A daemon of its own, whose default runtime is the one under test: builds take that. */
export class Docker {
  readonly at = workplace("docker");
  readonly words: readonly string[];
  readonly #groups: string;
  #daemon: ChildProcess | undefined;

  /** `runtime` is how daemon.json describes it; `groups` is below which all containers' groups are. */
  constructor(runtime: object, driver: "cgroupfs" | "systemd", groups: string) {
    const socket = `unix://${join(this.at, "socket")}`;
    this.words = [DOCKER, "-H", socket];
    this.#groups = groups;
    writeFileSync(
      join(this.at, "daemon.json"),
      JSON.stringify({
        "data-root": join(this.at, "data"),
        "exec-root": join(this.at, "exec"),
        pidfile: join(this.at, "pid"),
        hosts: [socket],
        runtimes: { tested: runtime },
        "default-runtime": "tested",
        "exec-opts": [`native.cgroupdriver=${driver}`],
        "cgroup-parent": groups,
        "default-ulimits": { nofile: { Name: "nofile", Soft: 1024, Hard: 2048 } },
        bridge: "none",
        iptables: false,
        ...(process.env["CAISSON_STORAGE"] && { "storage-driver": process.env["CAISSON_STORAGE"] }),
      }),
    );
  }

  async up(): Promise<void> {
    const log = openSync(join(this.at, "log"), "w");
    // In a network of its own: a swarm makes bridges and rules, which go with it.
    const own = ["--net", "--mount", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", "dockerd"];
    this.#daemon = spawn("unshare", [...own, "--config-file", join(this.at, "daemon.json")], {
      stdio: ["ignore", log, log],
    });
    await until("dockerd", () => sh([...this.words, "version"]).code === 0, 60_000);
    const tar = join(this.at, "box.tar");
    sh(["tar", "-C", rootfs(this.at), "-cf", tar, "."]);
    const made = sh([...this.words, "import", tar, "box"]);
    if (made.code !== 0) throw new Error(made.err);
  }

  async down(): Promise<void> {
    const left = sh([...this.words, "ps", "-aq"])
      .out.split("\n")
      .filter(Boolean);
    if (left.length) sh([...this.words, "rm", "-f", ...left]);
    this.#daemon?.kill("SIGTERM");
    await until("the end of dockerd", () => this.#daemon?.exitCode !== null || this.#daemon.signalCode !== null);
    clear(this.at);
    clearGroups(this.#groups);
  }
}
