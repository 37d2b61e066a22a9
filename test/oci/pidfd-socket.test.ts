import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

/** Takes a descriptor, says what came with it and whose it is, and ends that process by it. */
const RECEIVER = `import socket,array,signal,sys
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
c,_=s.accept(); m,a,f,_=c.recvmsg(100, socket.CMSG_SPACE(4)); fd=array.array("i", a[0][2])[0]
pid=[l.split()[1] for l in open("/proc/self/fdinfo/%d" % fd) if l.startswith("Pid:")][0]
print(m.decode(), pid, flush=True)
sys.stdin.readline()
signal.pidfd_send_signal(fd, signal.SIGKILL)
`;

async function receiver(b: Bundle) {
  const [socket, script] = [join(b.at, `socket-${Bun.nanoseconds()}`), join(b.at, "receive.py")];
  writeFileSync(script, RECEIVER);
  const p = Bun.spawn(["python3", script, socket], { stdin: "pipe", stdout: "pipe" });
  for (let i = 0; i < 200 && !existsSync(socket); i++) await Bun.sleep(20);
  const end = async () => {
    p.stdin.write("\n");
    await p.stdin.end();
    return new Response(p.stdout).text();
  };
  return { socket, end };
}

test.skipIf(!isRoot)(
  "--pidfd-socket of create, run and exec: a descriptor of the process, to signal it by",
  async () => {
    using b = new Bundle(["sleep", "1000"]);
    const first = await receiver(b);
    expect(b.create("--pidfd-socket", first.socket).code).toBe(0);
    expect(b.start().code).toBe(0);
    const second = await receiver(b);
    const pidFile = join(b.at, "exec.pid");
    const line = b.words(
      "exec",
      "--detach",
      "--pid-file",
      pidFile,
      "--pidfd-socket",
      second.socket,
      b.id,
      "sleep",
      "1000",
    );
    const p = Bun.spawn(line, { stdio: ["ignore", "ignore", "ignore"] });
    expect(await p.exited).toBe(0);
    expect(await second.end()).toBe(`setns ${await Bun.file(pidFile).text()}\n`);
    const { pid } = b.state_();
    expect(await first.end()).toBe(`standard ${pid}\n`);
    await b.until("stopped");
    b.call(["delete", b.id]);
    const third = await receiver(b);
    const run = Bun.spawn(b.words("run", "--pidfd-socket", third.socket, "--bundle", b.at, b.id), {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await b.until("running");
    expect(await third.end()).toMatch(/^standard \d+\n$/);
    expect(await run.exited).toBe(137);
    // One that is killed at once may not have been started yet: then that is an error, and no signal's end of the runtime itself.
    for (let i = 0; i < 8; i++) {
      const at = await receiver(b);
      const words = b.words("run", "--pidfd-socket", at.socket, "--bundle", b.at, b.id);
      const early = Bun.spawn(words, { stdio: ["ignore", "ignore", "ignore"] });
      await at.end();
      expect([1, 137]).toContain(await early.exited);
      expect(b.state_()).toEqual({});
    }
  },
);

test.skipIf(!isRoot)("a socket that nobody listens at is an error, and nothing is left", () => {
  using b = new Bundle(["true"]);
  const r = b.call(["run", "--pidfd-socket", join(b.at, "nobody"), "--bundle", b.at, b.id]);
  expect(r).toMatchObject({ code: 1, out: "" });
  expect(r.err).toContain("connect to the socket for the pidfd");
  expect(b.call(["list", "--quiet"]).out).toBe("");
});

test.skipIf(!isRoot)("--regex of kill and delete: all containers whose ids match", async () => {
  using b = new Bundle(["sleep", "1000"]);
  const ids = ["web-1", "web-2", "db-1"];
  const create = (id: string) =>
    Bun.spawnSync(b.words("create", "--bundle", b.at, id), { stdio: ["ignore", "ignore", "ignore"] }).exitCode;
  const left = () => b.call(["list", "--quiet"]).out.trim().split("\n").filter(Boolean).sort();
  for (const id of ids) expect(create(id)).toBe(0);
  expect(b.call(["start", "db-1"]).code).toBe(0);
  expect(b.call(["kill", "--regex", "^web-[12]$", "KILL"]).code).toBe(0);
  const status = (id: string) => (JSON.parse(b.call(["state", id]).out) as { status: string }).status;
  for (let i = 0; i < 100 && status("web-2") !== "stopped"; i++) await Bun.sleep(20);
  expect(ids.map(status)).toEqual(["stopped", "stopped", "running"]);
  // What fails for one is done for the others.
  const some = b.call(["delete", "--regex", "1$"]);
  expect(some.code).toBe(1);
  expect(some.err).toContain("db-1");
  expect(left()).toEqual(["db-1", "web-2"]);
  expect(b.call(["delete", "--regex", "("]).err).toContain('--regex: "(" is not a regular expression');
  expect(b.call(["delete", "--force", "-r", "."]).code).toBe(0);
  expect(left()).toEqual([]);
});
