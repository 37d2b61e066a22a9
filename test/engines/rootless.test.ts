import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONTAINERS_CONF, clear, type Result, rootfs, runtimeNames, runtimes, sh, workplace } from "./machine.ts";

const USER = `caisson-${process.pid}`;
const at = workplace("rootless");
/** Its sockets have it in their names, which cannot be long (unix(7)): podman waits in vain for them then. */
const runtimeDirectory = mkdtempSync("/tmp/cr-");
const env = {
  HOME: join(at, "home"),
  XDG_RUNTIME_DIR: runtimeDirectory,
  CONTAINERS_CONF: join(at, "containers.conf"),
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  USER,
};

/** As the user, with nothing of root's environment. */
const as = (words: readonly string[], stdin = ""): Result =>
  sh(
    ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "--reset-env", "env", "-C", env.HOME]
      .concat(Object.entries(env).map(([k, v]) => `${k}=${v}`))
      .concat(words),
    { stdin },
  );

beforeAll(() => {
  const added = sh(["useradd", "--no-create-home", "--home-dir", env.HOME, USER]);
  if (added.code !== 0) throw new Error(added.err);
  chmodSync(at, 0o755);
  mkdirSync(env.HOME);
  sh(["chown", USER, env.HOME, env.XDG_RUNTIME_DIR]);
  writeFileSync(env.CONTAINERS_CONF, CONTAINERS_CONF);
  // Where the user can get at it.
  cpSync(runtimes.caisson, join(at, "caisson-oci"));
  const tar = join(at, "box.tar");
  sh(["tar", "-C", rootfs(at), "-cf", tar, "."]);
  const made = as(["podman", "--storage-driver", "vfs", "import", tar, "box"]);
  if (made.code !== 0) throw new Error(made.err);
});
afterAll(() => {
  as(["podman", "--storage-driver", "vfs", "rm", "-fa"]);
  // The files of its containers belong to ids that it alone has.
  as(["podman", "--storage-driver", "vfs", "unshare", "rm", "-rf", join(env.HOME, ".local")]);
  sh(["pkill", "-KILL", "-u", USER]);
  sh(["userdel", USER]);
  clear(at);
  clear(runtimeDirectory);
});

for (const name of runtimeNames)
  describe(`podman without root, with ${name}`, () => {
    const runtime = name === "caisson" ? join(at, "caisson-oci") : runtimes[name];
    const podman = (...words: string[]) => as(["podman", "--runtime", runtime, "--storage-driver", "vfs", ...words]);
    const run = (...words: string[]) => podman("run", "--rm", "--network", "none", ...words);

    test("root in there is the user out here", () => {
      const r = run("box", "sh", "-c", "id -u; echo $HOME; exit 7");
      expect(r).toMatchObject({ code: 7, out: "0\n/root\n" });
      const home = join(env.HOME, "made");
      expect(run("-v", `${env.HOME}:/data`, "box", "touch", "/data/made").code).toBe(0);
      expect(sh(["stat", "-c", "%U", home]).out).toBe(`${USER}\n`);
    });
    test("a user of the image, and ids kept as they are", () => {
      expect(run("--user", "guest", "box", "id", "-u").out).toBe("1000\n");
      const own = sh(["id", "-u", USER]).out;
      expect(run("--userns", "keep-id", "box", "id", "-u").out).toBe(own);
    });
    // In the words of crun, which runc does not know.
    const others = name === "caisson" ? test : () => {};
    others("the user's own groups, kept", () => {
      sh(["usermod", "--append", "--groups", "audio", USER]);
      const r = run("--group-add", "keep-groups", "box", "sh", "-c", "id -G");
      expect(r).toMatchObject({ code: 0, out: "0 65534\n" });
      expect(run("box", "id", "-G").out).toBe("0\n");
    });
    test("mounts, devices, sysctls, a terminal", () => {
      expect(run("--read-only", "box", "touch", "/x").code).not.toBe(0);
      expect(run("--tmpfs", "/data", "box", "sh", "-c", "touch /data/x && ls /data").out).toBe("x\n");
      expect(run("--device", "/dev/zero:/dev/nought", "box", "head", "-c1", "/dev/nought").out).toBe("\0");
      const sysctl = run("--sysctl", "net.ipv4.ip_default_ttl=70", "box", "cat", "/proc/sys/net/ipv4/ip_default_ttl");
      expect(sysctl.out).toBe("70\n");
      expect(run("--tty", "box", "tty").out).toBe("/dev/pts/0\r\n");
      expect(run("--privileged", "box", "grep", "Seccomp:", "/proc/self/status").out).toBe("Seccomp:\t0\n");
    });
    test("detached: exec, logs, stop with an exit code, remove", () => {
      const script = "trap 'exit 3' TERM; echo here; while :; do sleep 0.1; done";
      const box = `rootless-${name}`;
      expect(podman("run", "-d", "--network", "none", "--name", box, "box", "sh", "-c", script).code).toBe(0);
      expect(podman("exec", "--user", "guest", box, "id", "-u").out).toBe("1000\n");
      expect(podman("exec", box, "nothing-here").code).toBe(127);
      expect(podman("logs", box).out).toBe("here\n");
      expect(podman("stop", "--time", "5", box).code).toBe(0);
      expect(podman("inspect", "--format", "{{.State.ExitCode}}", box).out).toBe("3\n");
      expect(podman("rm", box).code).toBe(0);
    });
    test("buildah: a build of several steps", () => {
      const dir = join(env.HOME, "build");
      mkdirSync(dir, { recursive: true });
      writeFileSync(
        join(dir, "Dockerfile"),
        "FROM localhost/box\nRUN echo $HOME > /a\nUSER guest\nRUN cat /a && id -u\n",
      );
      podman("tag", "box", "localhost/box");
      const words = [
        "--storage-driver",
        "vfs",
        "bud",
        "--isolation",
        "oci",
        "--runtime",
        runtime,
        "--network",
        "none",
        dir,
      ];
      const r = as(["buildah", ...words]);
      expect(r.code).toBe(0);
      expect(r.out).toContain("/root\n1000\n");
    });
  });
