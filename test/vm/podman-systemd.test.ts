import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { clear, rootfs, runtimes, sh, workplace } from "../engines/machine.ts";
import { without } from "./booted.ts";
import { root, Session, type Typed } from "./session.ts";

const { skip, why } = without("podman");

const CONF =
  '[containers]\ndefault_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]\n[engine]\ncgroup_manager = "systemd"\n';
const files = "grep -H . /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max";

describe.skipIf(skip)(`podman where systemd makes the groups${why}`, () => {
  let at: string;
  let conf: string;
  let session: Session;
  const storage = ["--storage-driver", "vfs"];

  beforeAll(() => {
    at = workplace("systemd");
    conf = join(at, "containers.conf");
    session = new Session("engineer");
    root("chmod", "755", at);
    writeFileSync(conf, CONF);
    root("tar", "-C", rootfs(at), "-cf", join(at, "box.tar"), ".");
  });
  afterAll(() => {
    session.type("podman", ...storage, "rm", "-fa");
    session.end();
    clear(at);
  });

  const kinds: Record<
    string,
    { readonly podman: (...words: string[]) => Typed; readonly slice: () => string; readonly reload: () => unknown }
  > = {
    root: {
      podman: (...words) =>
        sh(["podman", "--root", join(at, "root"), "--runroot", join(at, "run"), ...storage, ...words], {
          env: { CONTAINERS_CONF: conf },
        }),
      slice: () => "/machine.slice",
      reload: () => root("systemctl", "daemon-reload"),
    },
    "a user": {
      podman: (...words) => session.type("env", `CONTAINERS_CONF=${conf}`, "podman", ...storage, ...words),
      slice: () => `${session.manager}/user.slice`,
      reload: () => session.type("systemctl", "--user", "daemon-reload"),
    },
  };
  for (const [who, { podman, slice, reload }] of Object.entries(kinds)) {
    const own = () => (who === "root" ? runtimes.caisson : join(session.at, "dist/caisson-oci"));
    const box = (command: string, ...words: string[]) => podman("--runtime", own(), command, ...words);

    test(`${who}: limits, of a unit that systemd knows`, () => {
      expect(podman("import", join(at, "box.tar"), "box")).toMatchObject({ code: 0 });
      const limits = ["--memory", "64m", "--pids-limit", "50", "--cpus", "0.5", "--network", "none"];
      expect(box("run", "--rm", ...limits, "box", "sh", "-c", files)).toEqual({
        code: 0,
        out: `/sys/fs/cgroup/memory.max:${64 << 20}\n/sys/fs/cgroup/pids.max:50\n/sys/fs/cgroup/cpu.max:50000 100000\n`,
        err: "",
      });
      expect(box("run", "--rm", "--network", "none", "--memory", "24m", "box", "tail", "/dev/zero").code).toBe(137);
    });

    test(`${who}: a detached one is entered, paused, changed, counted, and leaves no unit`, () => {
      const id = box("run", "-d", "--network", "none", "--name", "kept", "box", "sleep", "1000").out.trim();
      expect(id).toMatch(/^[0-9a-f]{64}$/);
      expect(box("exec", "kept", "sh", "-c", "cat /proc/self/cgroup; exit 3")).toEqual({
        code: 3,
        out: "0::/\n",
        err: "",
      });
      const pid = box("inspect", "--format", "{{.State.Pid}}", "kept").out.trim();
      const unit = `libpod-${id}.scope`;
      expect(root("cat", `/proc/${pid}/cgroup`)).toContain(`0::${slice()}/${unit}`);
      expect(box("pause", "kept").code).toBe(0);
      expect(box("inspect", "--format", "{{.State.Status}}", "kept").out).toBe("paused\n");
      expect(box("unpause", "kept").code).toBe(0);
      expect(box("update", "--memory", "48m", "kept")).toMatchObject({ code: 0 });
      reload();
      expect(box("exec", "kept", "cat", "/sys/fs/cgroup/memory.max").out).toBe(`${48 << 20}\n`);
      expect(box("stats", "--no-stream", "--format", "{{.PIDs}} {{.MemUsage}}", "kept").out).toMatch(
        /^1 [1-9][\d.]*kB /,
      );
      expect(box("rm", "--force", "--time", "0", "kept").code).toBe(0);
      expect(root("sh", "-c", `ls -d /sys/fs/cgroup${slice()}/${unit} 2>/dev/null || echo none`)).toBe("none\n");
    });
  }
});
