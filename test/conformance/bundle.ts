import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "../../src/compile/spec.ts";

/** The runtime that is examined: any that has the command line of runc. */
export const runtime = process.env["CONFORMANCE_RUNTIME"] ?? join(import.meta.dir, "../../dist/caisson-oci");
export const isOurs = runtime.includes("caisson-oci");

export type Result = { readonly code: number; readonly out: string; readonly err: string };

const applets =
  "sh true false sleep cat echo ls id env stat ps mount hostname grep touch mkdir test readlink wc kill cut tail head nproc sysctl uname tty mknod dd unshare".split(
    " ",
  );

/** A root filesystem of one static program, in memory. */
export function makeRoot(at: string): string {
  const root = join(at, "rootfs");
  for (const d of ["bin", "proc", "sys", "dev", "etc", "tmp", "root", "data"])
    mkdirSync(join(root, d), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  cpSync("/bin/busybox", join(root, "bin/busybox"));
  for (const name of applets) symlinkSync("busybox", join(root, "bin", name));
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  return root;
}

const PATH = "PATH=/bin:/usr/bin";
const capabilities = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_SYS_CHROOT"];

/** A configuration that every runtime takes; `args` are what it executes. */
export function specOf(args: readonly string[]): Spec {
  return {
    ociVersion: "1.0.2",
    root: { path: "rootfs", readonly: false },
    hostname: "conformance",
    process: {
      user: { uid: 0, gid: 0 },
      args,
      env: [PATH],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
      },
      { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["nosuid", "nodev", "noexec", "mode=1777"] },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    ],
    linux: { namespaces: (["pid", "network", "ipc", "uts", "mount"] as const).map((type) => ({ type })) },
  };
}

export type Change = (spec: Spec) => object;

let count = 0;

/** A bundle and the commands of a runtime on it. What it made is gone when it is disposed of. */
export class Bundle {
  readonly at: string;
  readonly state: string;
  readonly id: string;
  readonly root: string;

  constructor(args: readonly string[], change: Change = (s) => s) {
    this.at = mkdtempSync("/var/tmp/caisson-conformance-");
    // A container in a user namespace must be able to get to its root.
    chmodSync(this.at, 0o755);
    this.state = join(this.at, "state");
    this.id = `conformance-${process.pid}-${count++}`;
    this.root = makeRoot(this.at);
    this.write(change(specOf(args)));
  }

  write(config: object | string): void {
    writeFileSync(join(this.at, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
  }

  /** What is written there, changed. */
  rewrite(change: Change): void {
    this.write(change(JSON.parse(readFileSync(join(this.at, "config.json"), "utf8")) as Spec));
  }

  call(words: readonly string[], o: { stdin?: string; cwd?: string } = {}): Result {
    const p = spawnSync(runtime, ["--root", this.state, ...words], {
      input: o.stdin ?? "",
      cwd: o.cwd ?? this.at,
      encoding: "utf8",
      timeout: 20_000,
      killSignal: "SIGKILL",
    });
    return { code: p.status ?? -1, out: p.stdout, err: p.stderr };
  }

  /**
   * `create` gives its streams to the container, so that waiting for their end would be waiting for the container's:
   * here they are files.
   */
  create(...options: string[]): Result {
    const [out, err] = [join(this.at, "out"), join(this.at, "err")];
    const line = `exec "$@" >>${out} 2>>${err} </dev/null`;
    const words = [runtime, "--root", this.state, "create", "--bundle", this.at, ...options, this.id];
    const p = spawnSync("sh", ["-c", line, "sh", ...words], {
      stdio: "ignore",
      timeout: 20_000,
      killSignal: "SIGKILL",
    });
    return { code: p.status ?? -1, ...this.written() };
  }

  written(): { out: string; err: string } {
    const read = (name: string) => spawnSync("cat", [join(this.at, name)], { encoding: "utf8" }).stdout;
    return { out: read("out"), err: read("err") };
  }

  start(): Result {
    return this.call(["start", this.id]);
  }

  run(o: { stdin?: string } = {}): Result {
    return this.call(["run", "--bundle", this.at, this.id], o);
  }

  words(...words: string[]): string[] {
    return [runtime, "--root", this.state, ...words];
  }

  /** `run` as a shell has it. */
  command(): string {
    return `${runtime} --root ${this.state} run --bundle ${this.at} ${this.id}`;
  }

  state_(): Record<string, unknown> & { status?: string; pid?: number } {
    const r = this.call(["state", this.id]);
    return r.code === 0 ? (JSON.parse(r.out) as Record<string, unknown>) : {};
  }

  async until(status: string): Promise<void> {
    for (let i = 0; i < 200; i++) {
      if (this.state_().status === status) return;
      await Bun.sleep(25);
    }
    throw new Error(`it did not become ${status}: it is ${JSON.stringify(this.state_())}`);
  }

  [Symbol.dispose](): void {
    this.call(["delete", "--force", this.id]);
    rmSync(this.at, { recursive: true, force: true });
  }
}

/** What a command prints in a container of this configuration. */
export function printed(args: readonly string[], change?: Change): Result {
  using b = new Bundle(args, change);
  return b.run();
}

export const shell = (text: string): string[] => ["sh", "-c", text];
export const linux =
  (more: object): Change =>
  (s) => ({ ...s, linux: { ...s.linux, ...more } });
export const processWith =
  (more: object): Change =>
  (s) => ({ ...s, process: { ...s.process, ...more } });
export const mounting =
  (...mounts: object[]): Change =>
  (s) => ({ ...s, mounts: [...(s.mounts ?? []), ...mounts] });
