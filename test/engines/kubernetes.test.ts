import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster } from "./cri/cluster.ts";
import { clear, clearGroups, until, workplace } from "./machine.ts";

/** With runc and its shim, and with ours. */
const at = workplace("kubernetes");
const cluster = new Cluster(at);
const shims = (word: string) => cluster.containerd.processes(word);

beforeAll(() => cluster.up(), 60_000);
afterAll(async () => {
  await cluster.stopDaemon();
  await until("the end of the shims", () => shims("shim").length === 0);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(`${at}/state`);
  clear(at);
  clearGroups("k8s.io");
}, 60_000);

for (const handler of ["runc", "caisson"])
  describe(`pods with ${handler}`, () => {
    test("two containers that share IPC and see only their own processes, their logs, commands in them", async () => {
      const pod = await cluster.pod(`two-${handler}`, handler);
      const a = await pod.start(`a-${handler}`, ["/bin/sh", "-c", "echo from a; echo wrong >&2; sleep 1000"]);
      const b = await pod.start(`b-${handler}`, ["/bin/sleep", "1000"]);
      expect(await cluster.execute(a, "/bin/sh", "-c", "echo out; echo err >&2; exit 3")).toEqual({
        ...{ code: 3, out: "out\n", err: "err\n" },
      });
      const ipc = async (id: string) => (await cluster.execute(id, "/bin/readlink", "/proc/self/ns/ipc")).out;
      expect(await ipc(a)).toBe(await ipc(b));
      const log = join(cluster.logs, `a-${handler}.log`);
      const said = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
      await until("the log", () => / stdout F from a\n/.test(said()) && / stderr F wrong\n/.test(said()));
      const stats = await cluster.stats(a);
      expect(Number(stats?.memory?.workingSetBytes?.value)).toBeGreaterThan(0);
      expect(Number(stats?.cpu?.usageCoreNanoSeconds?.value)).toBeGreaterThan(0);
      await cluster.stop(a);
      expect(await cluster.untilExited(a)).toMatchObject({ exitCode: 137 });
      await pod.remove();
    });
    test("an exit code, and a limit of memory that is felt: the kubelet is told why", async () => {
      const pod = await cluster.pod(`ends-${handler}`, handler);
      const code = await pod.start(`code-${handler}`, ["/bin/sh", "-c", "exit 5"]);
      expect(await cluster.untilExited(code)).toMatchObject({ exitCode: 5, reason: "Error" });
      const much = await pod.start(`much-${handler}`, ["/bin/sh", "-c", "sleep 0.2; tail /dev/zero"], 32n << 20n);
      expect(await cluster.untilExited(much)).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
      await pod.remove();
    });
    test("limits are changed while it runs", async () => {
      const pod = await cluster.pod(`update-${handler}`, handler);
      const id = await pod.start(`u-${handler}`, ["/bin/sleep", "1000"], 256n << 20n);
      await cluster.update(id, 24n << 20n);
      expect((await cluster.execute(id, "/bin/sh", "-c", "tail /dev/zero")).code).toBe(137);
      await pod.remove();
    });
    test("a command that is not there is an error of the start", async () => {
      const pod = await cluster.pod(`none-${handler}`, handler);
      const said = await pod.start(`n-${handler}`, ["/bin/nothing-here"]).catch((e: Error) => e.message);
      expect(said).toMatch(/no such file or directory/);
      await pod.remove();
    });
  });

test("ours: one process for all pods, and they live on while containerd is away", async () => {
  const pods = [
    await cluster.pod("x", "caisson"),
    await cluster.pod("y", "caisson"),
    await cluster.pod("z", "caisson"),
  ];
  const ids = await Promise.all(pods.map((p, i) => p.start(`c${i}`, ["/bin/sleep", "1000"])));
  expect(shims("__shim")).toHaveLength(1);
  await cluster.stopDaemon();
  await cluster.startDaemon();
  const isReady = () =>
    cluster.execute(ids[0] as string, "/bin/true").then(
      () => true,
      () => false,
    );
  for (let i = 0; i < 100 && !(await isReady()); i++) await Bun.sleep(100);
  for (const id of ids)
    expect(await cluster.execute(id, "/bin/echo", "still")).toMatchObject({ code: 0, out: "still\n" });
  for (const p of pods) await p.remove();
  await until("the end of the shim", () => shims("__shim").length === 0);
});
