import { spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The runtimes that are compared, by the name that engines know them by. */
export const runtimes = { caisson: join(import.meta.dir, "../../dist/caisson-oci"), runc: "/usr/sbin/runc" } as const;
export type RuntimeName = keyof typeof runtimes;
/** In a slow machine ours alone: that it does what runc does is seen elsewhere. */
export const runtimeNames = (Object.keys(runtimes) as RuntimeName[]).filter(
  (name) => !process.env["CAISSON_ENGINES_ALONE"] || name === "caisson",
);

export type Result = { readonly code: number; readonly out: string; readonly err: string };

const LIMIT_MS = 60_000;

/** Where commands are run, and can leave nothing: conmon would a file `oom`, when a container was killed for its memory. */
const cwd = "/proc";

/** Runs a command to its end. */
export function sh(words: readonly string[], o: { stdin?: string; env?: Record<string, string> } = {}): Result {
  const [file = "", ...args] = words;
  const p = spawnSync(file, args, {
    input: o.stdin ?? "",
    env: { ...process.env, ...o.env },
    cwd,
    encoding: "utf8",
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  return { code: p.status ?? -1, out: p.stdout ?? "", err: p.stderr ?? String(p.error) };
}

/** The same beside others. */
export function start(words: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const [file = "", ...args] = words;
  return new Promise((resolve) => {
    const p = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], cwd, env: { ...process.env, ...env } });
    const [out, err]: [string[], string[]] = [[], []];
    p.stdout.on("data", (d) => out.push(String(d)));
    p.stderr.on("data", (d) => err.push(String(d)));
    p.on("close", (code) => resolve({ code: code ?? -1, out: out.join(""), err: err.join("") }));
  });
}

export async function until(what: string, done: () => boolean, ms = 60_000): Promise<void> {
  const end = Date.now() + ms;
  while (!done()) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** For podman: its default limits are above what a machine may allow (CAP_SYS_RESOURCE). */
export const CONTAINERS_CONF =
  '[containers]\ndefault_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n';

/** A directory in which an engine keeps all it has. */
export const workplace = (name: string): string => mkdtempSync(`/var/tmp/caisson-engines-${name}-`);

/** busybox and the few files that engines look for. */
export function rootfs(at: string): string {
  const root = join(at, "rootfs");
  for (const d of ["bin", "proc", "sys", "dev", "etc", "tmp", "run", "root", "data"])
    mkdirSync(join(root, d), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  sh(["cp", "/bin/busybox", join(root, "bin/busybox")]);
  sh(["chroot", root, "/bin/busybox", "--install", "-s", "/bin"]);
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nguest:x:1000:\n");
  writeFileSync(join(root, "bin/plain"), "no program\n", { mode: 0o644 });
  return root;
}

/** An image of one layer, as `docker save` writes one; gives the archive. */
export function makeImage(at: string, root: string, name: string, command: readonly string[]): string {
  const from = mkdtempSync(join(at, "image-"));
  sh(["tar", "-C", root, "-cf", join(from, "layer.tar"), "."]);
  const sum = sh(["sha256sum", join(from, "layer.tar")]).out.split(" ")[0];
  const config = {
    ...{ architecture: process.arch === "x64" ? "amd64" : process.arch, os: "linux" },
    config: { Cmd: command, Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${sum}`] },
  };
  writeFileSync(join(from, "config.json"), JSON.stringify(config));
  const manifest = [{ Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] }];
  writeFileSync(join(from, "manifest.json"), JSON.stringify(manifest));
  const archive = `${from}.tar`;
  sh(["tar", "-C", from, "-cf", archive, "config.json", "manifest.json", "layer.tar"]);
  return archive;
}

/** Ends what an engine left mounted, and removes its directory. */
export function clear(at: string): void {
  const mounts = sh(["cat", "/proc/self/mountinfo"]).out.split("\n");
  const below = mounts.map((l) => l.split(" ")[4] ?? "").filter((p) => p.startsWith(`${at}/`));
  for (const p of below.reverse()) sh(["umount", "-l", p]);
  rmSync(at, { recursive: true, force: true });
}

/** Control groups that engines leave when they are empty. */
export function clearGroups(name: string): void {
  for (const h of readdirSync("/sys/fs/cgroup")) {
    const at = join("/sys/fs/cgroup", h, name);
    if (existsSync(at)) sh(["find", at, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
  }
  const unified = join("/sys/fs/cgroup", name);
  if (existsSync(unified)) sh(["find", unified, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
}

export const SECCOMP = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
};
