import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withReceiver } from "../../src/oci/annotations.ts";
import { Bundle } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

/** Says whose process or listener the descriptor is that it gets: of a pidfd the pid, else the kind. */
const RECEIVER = `import socket,array,os,sys
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
c,_=s.accept(); m,a,f,_=c.recvmsg(65536, socket.CMSG_SPACE(4)); fd=array.array("i", a[0][2])[0]
pid=[l.split()[1] for l in open("/proc/self/fdinfo/%d" % fd) if l.startswith("Pid:")]
print(pid[0] if pid else os.readlink("/proc/self/fd/%d" % fd))
`;

async function receiver(b: Bundle) {
  const [socket, script] = [join(b.at, "socket"), join(b.at, "receive.py")];
  writeFileSync(script, RECEIVER);
  const p = Bun.spawn(["python3", script, socket], { stdout: "pipe" });
  for (let i = 0; i < 200 && !existsSync(socket); i++) await Bun.sleep(20);
  return { socket, told: () => new Response(p.stdout).text() };
}

describe.skipIf(!isRoot)("annotations of crun's", () => {
  test("run.oci.pidfd_receiver: a descriptor of the first process, each time that it is created", async () => {
    using b = new Bundle(["sleep", "1000"]);
    const socket = join(b.at, "socket");
    b.rewrite((spec) => ({ ...spec, annotations: { "run.oci.pidfd_receiver": socket } }));
    for (let i = 0; i < 3; i++) {
      const { told } = await receiver(b);
      expect(b.create().code).toBe(0);
      expect((await told()).trim()).toBe(String(b.state_().pid));
      expect(b.call(["delete", "--force", b.id]).code).toBe(0);
      Bun.spawnSync(["rm", socket]);
    }
    expect(b.create()).toMatchObject({ code: 1, err: expect.stringContaining("connect to the socket for the pidfd") });
  });

  test("run.oci.seccomp.receiver: the listener of a filter that names nobody itself", async () => {
    using b = new Bundle(["true"]);
    const { socket, told } = await receiver(b);
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_NOTIFY" }],
    };
    const annotations = { "run.oci.seccomp.receiver": socket };
    b.rewrite((spec) => ({ ...spec, linux: { ...spec.linux, seccomp }, annotations }));
    expect(b.run()).toMatchObject({ code: 0 });
    expect(await told()).toContain("seccomp notify");
  });

  test("run.oci.seccomp_fail_unknown_syscall: a name that is no system call's is refused, and left out without it", () => {
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "frob"], action: "SCMP_ACT_ERRNO" }],
    };
    for (const [value, code] of [
      ["1", 1],
      ["0", 0],
    ] as const) {
      using b = new Bundle(["true"]);
      const annotations = { "run.oci.seccomp_fail_unknown_syscall": value };
      b.rewrite((spec) => ({ ...spec, linux: { ...spec.linux, seccomp }, annotations }));
      const r = b.run();
      expect(r.code).toBe(code);
      if (code) expect(r.err).toContain("linux.seccomp.syscalls: no system call is known as frob");
    }
  });
});

test("a listenerPath of its own is not replaced, and without a filter there is nothing to replace", () => {
  const annotations = { "run.oci.seccomp.receiver": "/from-annotation" };
  const seccomp = { defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/own" } as const;
  expect(withReceiver({ ociVersion: "1.0.0", annotations, linux: { seccomp } }).linux?.seccomp?.listenerPath).toBe(
    "/own",
  );
  expect(withReceiver({ ociVersion: "1.0.0", annotations, linux: {} }).linux).toEqual({});
});
