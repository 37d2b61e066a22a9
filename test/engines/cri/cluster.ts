import { expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Containerd } from "../containerd.ts";
import { makeImage, rootfs, sh, until } from "../machine.ts";
import { Cri } from "./client.ts";
import * as m from "./cri_pb.ts";

const PAUSE = "docker.io/local/pause:1";
const BUSYBOX = "docker.io/local/busybox:1";
const [POD, OWN, NODE] = [0, 1, 2];
const EXITED = 2;
const namespaces = { namespaceOptions: { network: NODE, pid: OWN, ipc: POD } };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What a kubelet does with pods, through the CRI plugin of a containerd in a directory. */
export class Cluster {
  readonly logs: string;
  readonly containerd: Containerd;
  readonly #at: string;
  #cri: Cri | undefined;

  constructor(at: string) {
    this.#at = at;
    this.logs = join(at, "logs");
    this.containerd = new Containerd(
      at,
      (socket) => `[grpc]
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
`,
    );
  }

  async up(): Promise<void> {
    const root = rootfs(this.#at);
    mkdirSync(this.logs);
    await this.startDaemon();
    for (const [name, command] of [
      [PAUSE, ["/bin/sleep", "100000"]],
      [BUSYBOX, ["/bin/sh"]],
    ] as const) {
      const archive = makeImage(this.#at, root, name.slice("docker.io/".length), command);
      const words = ["-n", "k8s.io", "images", "import", "--snapshotter", "native", archive];
      expect(sh(["ctr", "-a", this.containerd.socket, ...words])).toMatchObject({ code: 0 });
    }
    await until("the images", () => this.containerd.log.includes("busybox"));
  }
  async startDaemon(): Promise<void> {
    await this.containerd.start();
    this.#cri = new Cri(this.containerd.socket);
  }
  async stopDaemon(): Promise<void> {
    this.#cri?.close();
    await this.containerd.stop();
  }
  get cri(): Cri {
    if (!this.#cri) throw new Error("containerd was not started");
    return this.#cri;
  }

  async execute(containerId: string, ...cmd: string[]) {
    const asked = { containerId, cmd, timeout: 20n };
    const r = await this.cri.call("ExecSync", m.ExecSyncSchema, asked, m.ExecSyncAnswerSchema);
    return { code: r.exitCode, out: text(r.stdout), err: text(r.stderr) };
  }
  async stats(id: string): Promise<m.Stats | undefined> {
    return (await this.cri.call("ContainerStats", m.IdSchema, { id }, m.StatsAnswerSchema)).stats;
  }
  stop(containerId: string) {
    return this.cri.call("StopContainer", m.StopContainerSchema, { containerId, timeout: 1n }, m.NothingSchema);
  }
  update(containerId: string, memoryLimitInBytes: bigint) {
    const change = { containerId, linux: { memoryLimitInBytes } };
    return this.cri.call("UpdateContainerResources", m.UpdateResourcesSchema, change, m.NothingSchema);
  }
  async untilExited(id: string): Promise<m.Status | undefined> {
    for (let i = 0; i < 200; i++) {
      const { status } = await this.cri.call("ContainerStatus", m.IdSchema, { id }, m.StatusAnswerSchema);
      if (status?.state === EXITED) return status;
      await Bun.sleep(50);
    }
    throw new Error(`container ${id} does not end`);
  }

  /** `cgroupParent`: the pod's own control group, or the slice that is that. */
  async pod(name: string, runtimeHandler: string, cgroupParent = ""): Promise<Pod> {
    const config = {
      metadata: { name, uid: `uid-${name}`, namespace: "default" },
      logDirectory: this.logs,
      linux: { cgroupParent, securityContext: namespaces },
    };
    const { id } = await this.cri.call("RunPodSandbox", m.RunPodSandboxSchema, { config, runtimeHandler }, m.IdSchema);
    return new Pod(this, id, config);
  }
}

export class Pod {
  readonly id: string;
  readonly #of: Cluster;
  readonly #config: object;

  constructor(of: Cluster, id: string, config: object) {
    this.#of = of;
    this.id = id;
    this.#config = config;
  }
  async start(name: string, command: string[], memoryLimitInBytes = 0n): Promise<string> {
    const { cri } = this.#of;
    const linux = { resources: { memoryLimitInBytes }, securityContext: namespaces };
    const container = { metadata: { name }, image: { image: BUSYBOX }, command, logPath: `${name}.log`, linux };
    const request = { podSandboxId: this.id, sandboxConfig: this.#config, config: container };
    const { id } = await cri.call("CreateContainer", m.CreateContainerSchema, request, m.IdSchema);
    await cri.call("StartContainer", m.IdSchema, { id }, m.NothingSchema);
    return id;
  }
  async remove(): Promise<void> {
    const { cri } = this.#of;
    await cri.call("StopPodSandbox", m.IdSchema, { id: this.id }, m.NothingSchema);
    await cri.call("RemovePodSandbox", m.IdSchema, { id: this.id }, m.NothingSchema);
  }
}
