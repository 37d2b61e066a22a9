import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Containerd } from "./containerd.ts";
import { Cri } from "./cri/client.ts";
import * as m from "./cri/cri_pb.ts";
import { clear, clearGroups, makeImage, rootfs, sh, until, workplace } from "./machine.ts";

/** What a kubelet does with pods, through containerd's CRI plugin: with runc and its shim, and with ours. */
const at = workplace("kubernetes");
const logs = join(at, "logs");
const [POD, OWN, NODE] = [0, 1, 2];
const EXITED = 2;
let cri: Cri;

const config = (socket: string) => `[grpc]
address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.caisson]
runtime_type = "io.containerd.caisson.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
`;
const PAUSE = "docker.io/local/pause:1";
const BUSYBOX = "docker.io/local/busybox:1";

const containerd = new Containerd(at, config);
const { socket } = containerd;
async function startDaemon(): Promise<void> {
  await containerd.start();
  cri = new Cri(socket);
}
async function stopDaemon(): Promise<void> {
  cri.close();
  await containerd.stop();
}
const shims = (word: string) => containerd.processes(word);

beforeAll(async () => {
  const root = rootfs(at);
  mkdirSync(logs);
  await startDaemon();
  for (const [name, command] of [
    [PAUSE, ["/bin/sleep", "100000"]],
    [BUSYBOX, ["/bin/sh"]],
  ] as const) {
    const archive = makeImage(at, root, name.slice("docker.io/".length), command);
    const words = ["ctr", "-a", socket, "-n", "k8s.io", "images", "import", "--snapshotter", "native", archive];
    expect(sh(words)).toMatchObject({ code: 0 });
  }
  await until("the images", () => containerd.log.includes("busybox"));
}, 60_000);
afterAll(async () => {
  await stopDaemon();
  await until("the end of the shims", () => shims("shim").length === 0);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(`${at}/state`);
  clear(at);
  clearGroups("k8s.io");
}, 60_000);

const namespaces = { namespaceOptions: { network: NODE, pid: OWN, ipc: POD } };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

class Pod {
  readonly id: string;
  readonly #config: Parameters<typeof podConfig>[0];

  private constructor(id: string, name: string) {
    this.id = id;
    this.#config = name;
  }
  static async run(name: string, runtimeHandler: string): Promise<Pod> {
    const request = { config: podConfig(name), runtimeHandler };
    return new Pod((await cri.call("RunPodSandbox", m.RunPodSandboxSchema, request, m.IdSchema)).id, name);
  }
  async start(name: string, command: string[], memoryLimitInBytes = 0n): Promise<string> {
    const linux = { resources: { memoryLimitInBytes }, securityContext: namespaces };
    const container = { metadata: { name }, image: { image: BUSYBOX }, command, logPath: `${name}.log`, linux };
    const request = { podSandboxId: this.id, sandboxConfig: podConfig(this.#config), config: container };
    const { id } = await cri.call("CreateContainer", m.CreateContainerSchema, request, m.IdSchema);
    await cri.call("StartContainer", m.IdSchema, { id }, m.NothingSchema);
    return id;
  }
  async remove(): Promise<void> {
    await cri.call("StopPodSandbox", m.IdSchema, { id: this.id }, m.NothingSchema);
    await cri.call("RemovePodSandbox", m.IdSchema, { id: this.id }, m.NothingSchema);
  }
}
const podConfig = (name: string) => ({
  metadata: { name, uid: `uid-${name}`, namespace: "default" },
  logDirectory: logs,
  linux: { securityContext: namespaces },
});

const execute = async (containerId: string, ...cmd: string[]) => {
  const r = await cri.call("ExecSync", m.ExecSyncSchema, { containerId, cmd, timeout: 20n }, m.ExecSyncAnswerSchema);
  return { code: r.exitCode, out: text(r.stdout), err: text(r.stderr) };
};
const status = async (id: string) =>
  (await cri.call("ContainerStatus", m.IdSchema, { id }, m.StatusAnswerSchema)).status;
const stop = (containerId: string) =>
  cri.call("StopContainer", m.StopContainerSchema, { containerId, timeout: 1n }, m.NothingSchema);
async function untilExited(id: string): Promise<m.Status | undefined> {
  for (let i = 0; i < 200; i++) {
    const s = await status(id);
    if (s?.state === EXITED) return s;
    await Bun.sleep(50);
  }
  throw new Error(`container ${id} does not end`);
}

for (const handler of ["runc", "caisson"])
  describe(`pods with ${handler}`, () => {
    test("two containers that share IPC and see only their own processes, their logs, commands in them", async () => {
      const pod = await Pod.run(`two-${handler}`, handler);
      const a = await pod.start(`a-${handler}`, ["/bin/sh", "-c", "echo from a; echo wrong >&2; sleep 1000"]);
      const b = await pod.start(`b-${handler}`, ["/bin/sleep", "1000"]);
      expect(await execute(a, "/bin/sh", "-c", "echo out; echo err >&2; exit 3")).toEqual({
        ...{ code: 3, out: "out\n", err: "err\n" },
      });
      const ipc = async (id: string) => (await execute(id, "/bin/readlink", "/proc/self/ns/ipc")).out;
      expect(await ipc(a)).toBe(await ipc(b));
      const log = join(logs, `a-${handler}.log`);
      const said = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
      await until("the log", () => / stdout F from a\n/.test(said()) && / stderr F wrong\n/.test(said()));
      const { stats } = await cri.call("ContainerStats", m.IdSchema, { id: a }, m.StatsAnswerSchema);
      expect(Number(stats?.memory?.workingSetBytes?.value)).toBeGreaterThan(0);
      expect(Number(stats?.cpu?.usageCoreNanoSeconds?.value)).toBeGreaterThan(0);
      await stop(a);
      expect(await untilExited(a)).toMatchObject({ exitCode: 137 });
      await pod.remove();
    });
    test("an exit code, and a limit of memory that is felt: the kubelet is told why", async () => {
      const pod = await Pod.run(`ends-${handler}`, handler);
      const code = await pod.start(`code-${handler}`, ["/bin/sh", "-c", "exit 5"]);
      expect(await untilExited(code)).toMatchObject({ exitCode: 5, reason: "Error" });
      const much = await pod.start(`much-${handler}`, ["/bin/sh", "-c", "sleep 0.2; tail /dev/zero"], 32n << 20n);
      expect(await untilExited(much)).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
      await pod.remove();
    });
    test("limits are changed while it runs", async () => {
      const pod = await Pod.run(`update-${handler}`, handler);
      const id = await pod.start(`u-${handler}`, ["/bin/sleep", "1000"], 256n << 20n);
      const change = { containerId: id, linux: { memoryLimitInBytes: 24n << 20n } };
      await cri.call("UpdateContainerResources", m.UpdateResourcesSchema, change, m.NothingSchema);
      expect((await execute(id, "/bin/sh", "-c", "tail /dev/zero")).code).toBe(137);
      await pod.remove();
    });
    test("a command that is not there is an error of the start", async () => {
      const pod = await Pod.run(`none-${handler}`, handler);
      const said = await pod.start(`n-${handler}`, ["/bin/nothing-here"]).catch((e: Error) => e.message);
      expect(said).toMatch(/no such file or directory/);
      await pod.remove();
    });
  });

test("ours: one process for all pods, and they live on while containerd is away", async () => {
  const pods = [await Pod.run("x", "caisson"), await Pod.run("y", "caisson"), await Pod.run("z", "caisson")];
  const ids = await Promise.all(pods.map((p, i) => p.start(`c${i}`, ["/bin/sleep", "1000"])));
  expect(shims("__shim")).toHaveLength(1);
  await stopDaemon();
  await startDaemon();
  const isReady = () =>
    execute(ids[0] as string, "/bin/true").then(
      () => true,
      () => false,
    );
  for (let i = 0; i < 100 && !(await isReady()); i++) await Bun.sleep(100);
  for (const id of ids) expect(await execute(id, "/bin/echo", "still")).toMatchObject({ code: 0, out: "still\n" });
  for (const p of pods) await p.remove();
  await until("the end of the shim", () => shims("__shim").length === 0);
});
