import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Cluster } from "../engines/cri/cluster.ts";
import { clear, until, workplace } from "../engines/machine.ts";
import { without } from "./booted.ts";
import { root } from "./session.ts";

const { skip, why } = without("containerd");

/** A kubelet with systemd's driver names a slice for each pod, and containerd's CRI plugin gives other shims than runc's no options. */
describe.skipIf(skip)(`pods where systemd makes the groups${why}`, () => {
  const SLICE = "kubepods-besteffort-podx.slice";
  const above = `/sys/fs/cgroup/kubepods.slice/kubepods-besteffort.slice/${SLICE}`;
  let at: string;
  let cluster: Cluster;
  const show = (unit: string, property: string) => root("systemctl", "show", "--value", "-p", property, unit).trim();

  beforeAll(async () => {
    at = workplace("pods");
    cluster = new Cluster(at);
    await cluster.up();
  }, 120_000);
  afterAll(async () => {
    await cluster.stopDaemon();
    await until("the end of the shim", () => cluster.containerd.processes("shim").length === 0, 60_000);
    clear(at);
  }, 120_000);

  test("each container is in a scope below its pod's slice, the shim is not, and limits hold when systemd reloads", async () => {
    const pod = await cluster.pod("x", "caisson", `/kubepods.slice/kubepods-besteffort.slice/${SLICE}`);
    const sleep = ["/bin/sleep", "1000"];
    const [a = "", ...more] = await Promise.all(["a", "b", "c"].map((name) => pod.start(name, sleep, 64n << 20n)));
    const unit = (id: string) => `cri-containerd-${id}.scope`;
    const max = () => readFileSync(`${above}/${unit(a)}/memory.max`, "utf8").trim();
    for (const id of [pod.id, a, ...more]) {
      const pids = readFileSync(`${above}/${unit(id)}/cgroup.procs`, "utf8")
        .trim()
        .split("\n");
      expect(pids.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0])).toEqual(["/bin/sleep"]);
      expect(show(unit(id), "Delegate")).toBe("yes");
    }
    expect([max(), show(unit(a), "MemoryMax"), show(unit(a), "Slice")]).toEqual([
      ...[String(64 << 20), String(64 << 20)],
      SLICE,
    ]);
    root("systemctl", "daemon-reload");
    expect(max()).toBe(String(64 << 20));
    await cluster.update(a, 24n << 20n);
    expect(show(unit(a), "MemoryMax")).toBe(String(24 << 20));
    root("systemctl", "daemon-reload");
    expect(max()).toBe(String(24 << 20));
    expect((await cluster.execute(a, "/bin/sh", "-c", "tail /dev/zero")).code).toBe(137);
    const said = await pod.start("none", ["/bin/nothing-here"]).catch((e: Error) => e.message);
    expect(said).toMatch(/no such file or directory/);
    await pod.remove();
    expect(root("systemctl", "list-units", "--all", "--no-legend", "cri-containerd-*")).toBe("");
  }, 120_000);
});
