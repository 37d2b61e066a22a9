import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle, linux, shell } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

/** Lets each call that it is asked about go on, and prints how many that were. */
const agent = `import socket,array,sys,fcntl,struct,select
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("listening", flush=True)
c,_=s.accept(); m,a,f,_=c.recvmsg(65536, socket.CMSG_SPACE(4)); fd=array.array("i", a[0][2])[0]
asked=0
p=select.poll(); p.register(fd, select.POLLIN)
while True:
  events=p.poll(10000)
  if not events or events[0][1] & select.POLLHUP: break
  n=bytearray(80)
  try: fcntl.ioctl(fd, 0xc0502100, n, True)
  except OSError: continue
  i=struct.unpack_from("Q", n, 0)[0]
  try: fcntl.ioctl(fd, 0xc0182101, struct.pack("QqiI", i, 0, 0, 1))
  except OSError: continue
  asked+=1
print("asked", asked, flush=True)
`;

const asking = (listenerPath: string, names: readonly string[]) => ({
  seccomp: {
    defaultAction: "SCMP_ACT_ALLOW",
    listenerPath,
    syscalls: [{ names, action: "SCMP_ACT_NOTIFY" }],
  },
});

describe.skipIf(!isRoot)("seccomp", () => {
  for (const noNewPrivileges of [true, false])
    test(`calls that the start itself makes are answered, too (noNewPrivileges: ${noNewPrivileges})`, async () => {
      using b = new Bundle(["true"]);
      const socket = join(b.at, "agent");
      writeFileSync(join(b.at, "agent.py"), agent);
      const p = Bun.spawn(["python3", join(b.at, "agent.py"), socket], { stdout: "pipe" });
      for (let i = 0; i < 200 && !existsSync(socket); i++) await Bun.sleep(20);
      b.rewrite((s) => ({
        ...linux(asking(socket, ["chdir", "setresuid", "capset", "prctl", "faccessat", "read", "close", "execve"]))(s),
        process: { ...s.process, noNewPrivileges, cwd: "/data" },
      }));
      expect(b.run()).toMatchObject({ code: 0, err: "" });
      const asked = Number(/asked (\d+)/.exec(await new Response(p.stdout).text())?.[1]);
      expect(asked).toBeGreaterThan(noNewPrivileges ? 3 : 8);
    });

  test("the call by which it is said that there is a filter cannot be asked about", () => {
    using b = new Bundle(["true"], linux(asking("/nobody", ["write"])));
    expect(b.run()).toMatchObject({
      code: 1,
      err: expect.stringContaining("SCMP_ACT_NOTIFY cannot be used for the write syscall"),
    });
  });

  for (const noNewPrivileges of [true, false])
    test(`what a startContainer hook executes is under the filter (noNewPrivileges: ${noNewPrivileges})`, () => {
      using b = new Bundle(["true"]);
      const seccomp = {
        defaultAction: "SCMP_ACT_ALLOW",
        syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS" }],
      };
      b.rewrite((s) => ({
        ...linux({ seccomp })(s),
        process: { ...s.process, noNewPrivileges },
        hooks: { startContainer: [{ path: "/bin/mkdir", args: ["mkdir", "/data/made"] }] },
      }));
      const r = b.run();
      expect(r.code).toBe(1);
      expect(r.err).toContain("error running hook startContainer[0] /bin/mkdir: ended by SIGSYS (bad system call)");
      expect(existsSync(join(b.root, "data/made"))).toBe(false);
    });

  test("an argument that is compared twice: either will do", () => {
    const equals = (value: number) => ({ index: 0, value, op: "SCMP_CMP_EQ" });
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["kill"], action: "SCMP_ACT_ERRNO", errnoRet: 95, args: [equals(77777), equals(88888)] }],
    };
    using b = new Bundle(shell("kill 77777; kill 88888; kill 99999"), linux({ seccomp }));
    expect(b.run().err.match(/Operation not supported|Not supported/g)?.length).toBe(2);
  });
});
