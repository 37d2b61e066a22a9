/** A user's network by pasta for real, in a network namespace of the test's own: scripts/test.sh starts it there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { User } from "../helpers/user.ts";
import { asking, until } from "./asking.ts";

const PASTA = "/usr/bin/pasta";
const missing = existsSync(PASTA) ? "" : ` (skipped: ${PASTA} is not installed)`;
const GATEWAY = "192.0.2.1";
const OWN = "192.0.2.9";
const servers: ChildProcess[] = [];
let scratch: string;
let user: User;

const ask = (host: string, port: number) => asking(host, port, "/page");
const here = (host: string, port: number) => execFileSync("sh", ["-c", ask(host, port)], { encoding: "utf8" }).trim();

beforeAll(async () => {
  if (missing) return;
  scratch = mkdtempSync(join(tmpdir(), "caisson-pasta-"));
  user = new User();
  const commands = `ip link set lo up; ip link add up0 type veth peer name up1; ip link set up1 up
    ip addr add ${OWN}/24 dev up0; ip link set up0 up; ip route add default via ${GATEWAY}
    mkdir ${scratch}/dev; mount -t tmpfs tmpfs ${scratch}/dev; mknod -m 666 ${scratch}/dev/tun c 10 200
    mount --bind ${scratch}/dev/tun /dev/net/tun; mount --bind ${scratch}/resolv.conf /etc/resolv.conf`;
  writeFileSync(join(scratch, "resolv.conf"), "nameserver 127.0.0.1\n");
  writeFileSync(join(scratch, "page"), "of this machine\n");
  execFileSync("sh", ["-ec", commands]);
  servers.push(spawn("/bin/busybox", ["httpd", "-f", "-p", "127.0.0.1:8099", "-h", scratch], { stdio: "ignore" }));
  const names = [join(import.meta.dir, "name-server.ts"), "127.0.0.1", "example.test=192.0.2.77"];
  servers.push(spawn(process.execPath, names, { stdio: "ignore" }));
  await until(() => here("127.0.0.1", 8099) === "of this machine");
});

afterAll(() => {
  if (missing) return;
  for (const s of servers) s.kill("SIGKILL");
  user[Symbol.dispose]();
  for (const point of ["/etc/resolv.conf", "/dev/net/tun", `${scratch}/dev`]) execFileSync("umount", [point]);
  rmSync(scratch, { recursive: true });
});

test.skipIf(missing !== "")(
  `what listens on this machine's loopback addresses is not reached, and its name server on one answers${missing}`,
  async () => {
    const names = "getent ahostsv4 example.test | head -1";
    const asked = [ask(GATEWAY, 8099), ask(OWN, 8099), names].join("; ");
    await until(() => user.sh("getent ahostsv4 example.test").code === 0);
    const r = user.sh(`caisson run --network pasta -- sh -c '${asked.replaceAll("'", "'\\''")}'`);
    expect(r.out).toMatch(/^refused\nrefused\n192\.0\.2\.77 /);
  },
);

test.skipIf(missing !== "")(
  `a port is published at the address that it is given, and at no other${missing}`,
  async () => {
    const serve = "cd /dev/shm; echo of the container > page; exec busybox httpd -f -p 80";
    const ports = "-p 127.0.0.1:8181:80 -p 8182:80";
    const r = user.sh(`caisson run -d --name box --init --network pasta ${ports} -- sh -c '${serve}'`);
    expect(r).toMatchObject({ code: 0, out: "box\n" });
    try {
      await until(() => here("127.0.0.1", 8181) === "of the container");
      expect([here("127.0.0.1", 8181), here(OWN, 8181)]).toEqual(["of the container", "refused"]);
      expect([here("127.0.0.1", 8182), here(OWN, 8182)]).toEqual(["of the container", "of the container"]);
    } finally {
      expect(user.sh("caisson rm -f box").code).toBe(0);
    }
  },
);
