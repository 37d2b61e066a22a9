import { expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { type Container, container, openContainer } from "../../src/index.ts";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

/** The number that the last process got, of this PID namespace: it exists with CONFIG_CHECKPOINT_RESTORE. */
const LAST = "/proc/sys/kernel/ns_last_pid";
const why = !isRoot ? "needs root" : existsSync(LAST) ? "" : `this kernel has no ${LAST}`;
const TRIES = 200;

/** A process of this machine with the number that another had. */
function processWithPid(pid: number): ChildProcess {
  for (let i = 0; i < TRIES; i++) {
    writeFileSync(LAST, String(pid - 1));
    const child = spawn("sleep", ["100"], { stdio: "ignore" });
    if (child.pid === pid) return child;
    child.kill("SIGKILL");
  }
  throw new Error(`nobody could be given the pid ${pid}`);
}

const gone = async (pid: number) => {
  while (existsSync(`/proc/${pid}`)) await Bun.sleep(5);
};

test.skipIf(why !== "")(
  `a container that has ended is not taken for whoever has its pid by then${why && ` (skipped: ${why})`}`,
  async () => {
    const own = await container({ memory: "64M" });
    const name = "ended-and-found";
    await sh("run", "-d", "--rm", "--name", name, "--", "sleep", "100");
    const found = openContainer(name);
    const others: ChildProcess[] = [];
    try {
      for (const box of [own, found]) {
        expect((await box.run(["hostname"])).exitCode).toBe(0);
        await sh("kill", "-s", "KILL", box.name);
        await gone(box.pid);
        const other = processWithPid(box.pid);
        others.push(other);
        await refusesAll(box);
        box.kill();
        await box.dispose();
        expect(other.exitCode).toBeNull();
        expect(existsSync(`/proc/${other.pid}`)).toBe(true);
      }
    } finally {
      for (const other of others) other.kill("SIGKILL");
    }
  },
);

async function refusesAll(box: Container): Promise<void> {
  const ended = `the container ${box.name} has ended`;
  await expect(box.run(["touch", "/tmp/caisson-not-here"])).rejects.toThrow(ended);
  await expect(box.spawn(["true"])).rejects.toThrow(ended);
  await expect(box.copyOut("/etc/hostname", "/dev/null")).rejects.toThrow(ended);
  await expect(box.copyIn("/etc/hostname", "/tmp/caisson-not-here")).rejects.toThrow(ended);
  expect(existsSync("/tmp/caisson-not-here")).toBe(false);
}

const hasOpen = (pid: number, end: string) =>
  readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).endsWith(end);
    } catch {
      return false;
    }
  });

test.skipIf(!isRoot)("wait prints how one of which nothing is left has ended", async () => {
  const name = "waited-for";
  await sh("run", "-d", "--rm", "--name", name, "--", "sleep", "100");
  const waiting = Bun.spawn([caisson, "wait", name], { stdout: "pipe" });
  while (!hasOpen(waiting.pid, `/${name}/lock`)) await Bun.sleep(5);
  await sh("exec", name, "sh", "-c", "kill -TERM 1; true");
  await sh("stop", name);
  expect(await new Response(waiting.stdout).text()).toBe("143\n");
});
