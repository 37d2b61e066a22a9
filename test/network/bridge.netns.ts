/** Networks for real, in a network namespace of the test's own: scripts/test.sh starts it there. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { places } from "../../src/host/places.ts";
import {
  container,
  createNetwork,
  createPod,
  publishedPorts,
  publishPorts,
  removeNetwork,
  removePod,
  run,
  unpublishPorts,
} from "../../src/index.ts";
import type { Address } from "../../src/kernel/rtnetlink.ts";
import { formatIp } from "../../src/network/address.ts";
import { findNetwork } from "../../src/network/networks.ts";
import { caisson, sh } from "../helpers/command.ts";
import { rounds } from "../helpers/emulated.ts";
import { eachStepFails } from "../helpers/undo.ts";
import { asking, until } from "./asking.ts";

setDefaultTimeout(60_000);
const ip = (...args: string[]) => execFileSync("ip", args);
const wget = (url: string) => {
  const { hostname, port, pathname } = new URL(url);
  return asking(hostname, port || "80", pathname);
};
const get = (url: string) =>
  execFileSync("sh", ["-c", wget(url)], { encoding: "utf8" })
    .trim()
    .replace("refused", "none");
const serve = (port: number, text: string) => [
  "sh",
  "-c",
  `mkdir -p /tmp/w; echo ${text} > /tmp/w/index.html; exec busybox httpd -f -p ${port} -h /tmp/w`,
];

const interfaces = () =>
  readFileSync("/proc/net/dev", "utf8")
    .split("\n")
    .flatMap((l) => /^\s*(\S+):/.exec(l)?.[1] ?? []);
const list = (d: string) => (existsSync(d) ? readdirSync(d) : []);
const left = () => ({
  interfaces: interfaces(),
  leases: list(places().leases).flatMap((n) => list(join(places().leases, n, "leases"))),
  ports: list(join(places().leases, ".ports")),
  pods: list(places().pods),
  mounts: readFileSync("/proc/self/mountinfo", "utf8").split("\n").length,
});

const hasIptables = Bun.spawnSync(["sh", "-c", "iptables -S && ip6tables -S && iptables --version | grep nf_tables"], {
  stdout: "ignore",
  stderr: "ignore",
}).success;

/** Another machine: a namespace with servers of names and pages, behind a link of this one's. */
let inet: ChildProcess;
let root: string;
let before: ReturnType<typeof left>;
const others: ChildProcess[] = [];
const resolvers = () =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("__resolve");
    } catch {
      return false;
    }
  });
const resolving = () => resolvers().length > 0;
const inside = (...args: string[]) => {
  const p = spawn("nsenter", ["-t", String(inet.pid), "-n", ...args], { stdio: "ignore" });
  others.push(p);
};

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "caisson-net-"));
  // State and networks of its own: those of the machine are of another network namespace.
  process.env["CAISSON_ROOT"] = join(root, "caisson");
  ip("link", "set", "lo", "up");
  inet = spawn("unshare", ["-n", "sleep", "1000"], { stdio: "ignore" });
  await until(() => readlinkSync(`/proc/${inet.pid}/ns/net`) !== readlinkSync("/proc/self/ns/net"));
  ip("link", "add", "up0", "type", "veth", "peer", "name", "net0");
  ip("link", "set", "net0", "netns", String(inet.pid));
  ip("addr", "add", "192.0.2.1/24", "dev", "up0");
  ip("link", "set", "up0", "up");
  const there = (...args: string[]) => execFileSync("nsenter", ["-t", String(inet.pid), "-n", ...args]);
  there("ip", "link", "set", "lo", "up");
  for (const ip of ["192.0.2.53", "192.0.2.80", "192.0.2.81"]) there("ip", "addr", "add", `${ip}/24`, "dev", "net0");
  there("ip", "link", "set", "net0", "up");
  ip("route", "add", "default", "via", "192.0.2.53");
  writeFileSync(join(root, "index.html"), "the internet\n");
  inside("/bin/busybox", "httpd", "-f", "-p", "80", "-h", root);
  inside("/bin/busybox", "httpd", "-f", "-p", "8080", "-h", root);
  const server = join(import.meta.dir, "name-server.ts");
  inside(process.execPath, server, "192.0.2.53", "example.test=192.0.2.80", "other.test=192.0.2.81");
  writeFileSync(join(root, "resolv.conf"), "nameserver 192.0.2.53\n");
  execFileSync("mount", ["--bind", join(root, "resolv.conf"), "/etc/resolv.conf"]);
  await run(["true"]);
  before = left();
});

afterEach(async () => {
  // The last container's bridge goes with it.
  await until(() => JSON.stringify(left()) === JSON.stringify(before)).catch(() => expect(left()).toEqual(before));
});

afterAll(() => {
  for (const p of [...others, inet]) p?.kill("SIGKILL");
  execFileSync("umount", ["/etc/resolv.conf"]);
  rmSync(root, { recursive: true, force: true });
});

test("hosts: besides its own, and this machine as it is reached on the bridge", async () => {
  const options = { network: "bridge", hostname: "box", hosts: { here: "host-gateway", db: "10.0.0.2" } } as const;
  const r = await run(["cat", "/etc/hosts"], options);
  expect(r.stdout).toMatch(/\n10\.157\.\d+\.2\tbox\n.*\tbox\n10\.157\.\d+\.1\there\n10\.0\.0\.2\tdb\n$/);
});

test("a bridge: an address, a route, the way out, and this machine's name servers", async () => {
  const r = await run(
    ["sh", "-c", `busybox ip -o addr show eth0; busybox ip route; cat /etc/resolv.conf; ${wget("http://192.0.2.80/")}`],
    {
      network: "bridge",
    },
  );
  expect(r.stdout).toMatch(/inet 10\.157\.\d+\.2\/24/);
  expect(r.stdout).toMatch(/default via 10\.157\.\d+\.1 dev eth0/);
  expect(r.stdout).toContain("nameserver 192.0.2.53");
  expect(r.stdout).toContain("the internet");
});

test("what its resolv.conf says is the caller's, as far as he says it", async () => {
  const said = async (more: object) =>
    (await run(["cat", "/etc/resolv.conf"], { network: { bridge: "caisson", ...more } })).stdout;
  const given = { dnsSearch: ["a.example", "b.example"], dnsOptions: ["ndots:2"] };
  const rest = "search a.example b.example\noptions ndots:2\n";
  expect(await said(given)).toBe(`nameserver 192.0.2.53\n${rest}`);
  expect(await said({ dns: ["10.0.0.53"], ...given })).toBe(`nameserver 10.0.0.53\n${rest}`);
  expect(await said({})).toBe("nameserver 192.0.2.53\n");
});

test("an address and a hardware address as they are asked for; an address is one container's", async () => {
  await using first = await container({ network: { bridge: "caisson", mac: "02:00:00:00:00:07" } });
  const own = (await first.run(["busybox", "ip", "-o", "addr", "show", "eth0"])).stdout;
  const [, ip = "", prefix = ""] = /inet (([\d.]+)\.\d+)/.exec(own) ?? [];
  expect((await first.run(["cat", "/sys/class/net/eth0/address"])).stdout).toBe("02:00:00:00:00:07\n");
  await expect(run(["true"], { network: { bridge: "caisson", address: ip } })).rejects.toThrow(
    /network\.address: .* is not free/,
  );
  await expect(run(["true"], { network: { bridge: "caisson", address: `${prefix}.1` } })).rejects.toThrow(
    /it is the gateway's/,
  );
  await expect(run(["true"], { network: { bridge: "caisson", address: "192.0.2.9" } })).rejects.toThrow(
    /is not an address of the network caisson/,
  );
  const r = await run(["busybox", "ip", "-o", "addr", "show", "eth0"], {
    network: { bridge: "caisson", address: `${prefix}.77` },
  });
  expect(r.stdout).toContain(`inet ${prefix}.77/24`);
});

test("a port that was given to a running container is not a later one's of its name, and anybody's once that ended", async () => {
  const options = { name: "ports-of-a-name", network: "bridge" } as const;
  const first = await container(options);
  await publishPorts(first.name, ["8080:80"]);
  expect(publishedPorts(first.name)).toEqual(["8080:80/tcp"]);
  await first.dispose();
  await using second = await container(options);
  expect(publishedPorts(second.name)).toEqual([]);
  await expect(unpublishPorts(second.name, ["8080:80"])).rejects.toThrow("is not published: none is");
  await using other = await container({ network: { bridge: "caisson", ports: ["8080:80"] } });
  expect(publishedPorts(other.name)).toEqual(["8080:80/tcp"]);
});

test("published ports: by this machine's addresses, by one of them, added and removed while it runs", async () => {
  await using web = await container({ network: { bridge: "caisson", ports: ["8080:80", "127.0.0.1:8081:80"] } });
  const server = await web.spawn(serve(80, "page"));
  await until(() => get("http://127.0.0.1:8080/") === "page");
  expect(get("http://192.0.2.1:8080/")).toBe("page");
  expect(get("http://127.0.0.1:8081/")).toBe("page");
  expect(get("http://192.0.2.1:8081/")).toBe("none");
  const [port = ""] = await publishPorts(web.name, ["80"]);
  const [number = ""] = port.split(":");
  expect(get(`http://127.0.0.1:${number}/`)).toBe("page");
  await unpublishPorts(web.name, [port]);
  expect(get(`http://127.0.0.1:${number}/`)).toBe("none");
  await expect(publishPorts(web.name, ["8080:80"])).rejects.toThrow(/8080\/tcp.* is not free: the container .* has it/);
  await expect(unpublishPorts(web.name, ["9:9"])).rejects.toThrow(/is not published: .*8080:80/);
  // From another container, by this machine's address, and only what is published.
  const r = await run(["sh", "-c", `${wget("http://192.0.2.1:8080/")}; ${wget("http://192.0.2.1:8081/")}`], {
    network: "bridge",
  });
  expect(r.stdout).toBe("page\nrefused\n");
  server.kill("SIGKILL");
  await server.ended;
});

test("a port that a program of this machine listens on is refused, and nothing is touched", async () => {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  try {
    await expect(run(["true"], { network: { bridge: "caisson", ports: [`${listener.port}:80`] } })).rejects.toThrow(
      /a program of this machine listens on it/,
    );
  } finally {
    listener.stop(true);
  }
});

test("what listens on this machine's loopback addresses is out of reach", async () => {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (s) => void s.end("secret"), data() {} },
  });
  try {
    const r = await run(
      [
        "sh",
        "-c",
        `busybox ip route add 127.0.0.1 via $(busybox ip route | busybox awk '/default/ { print $3 }') table 5; busybox nc -w 1 127.0.0.1 ${listener.port}; busybox nc -w 1 10.157.0.1 ${listener.port}; busybox nc -w 1 192.0.2.1 ${listener.port}; true`,
      ],
      { network: "bridge", capAdd: ["NET_ADMIN"] },
    );
    expect(r.stdout).not.toContain("secret");
  } finally {
    listener.stop(true);
  }
});

test("only what is allowed can be reached: by address, and by name as it is looked up", async () => {
  const r = await run(
    [
      "sh",
      "-c",
      [
        "sleep 0.5",
        wget("http://192.0.2.80/"),
        wget("http://example.test/"),
        wget("http://example.test:8080/"),
        wget("http://other.test/"),
        wget("http://192.0.2.81:8080/"),
        wget("http://192.0.2.81/"),
        wget("http://192.0.2.1:22/"),
        // Now that its name was looked up, its address is allowed.
        wget("http://192.0.2.80/"),
      ].join("; "),
    ],
    { network: { bridge: "caisson", egress: { allow: ["example.test:80", "192.0.2.81:8080"] } } },
  );
  expect(r.stdout.trim().split("\n")).toEqual([
    "refused",
    "the internet",
    "refused",
    "refused",
    "the internet",
    "refused",
    "refused",
    "the internet",
  ]);
  const nothing = await run(["sh", "-c", `${wget("http://192.0.2.80/")}; ${wget("http://192.0.2.81:8080/")}`], {
    network: { bridge: "caisson", egress: { allow: [] } },
  });
  expect(nothing.stdout).toBe("refused\nrefused\n");
});

test("who is limited still answers those that come by a published port", async () => {
  await using web = await container({ network: { bridge: "caisson", ports: ["8090:80"], egress: { allow: [] } } });
  const server = await web.spawn(serve(80, "limited"));
  await until(() => get("http://127.0.0.1:8090/") === "limited");
  expect((await web.run(["sh", "-c", wget("http://192.0.2.80/")])).stdout).toBe("refused\n");
  server.kill("SIGKILL");
  await server.ended;
});

test("a network of its own: containers find each other by name, other networks do not", async () => {
  createNetwork("testnet");
  try {
    await using web = await container({ name: "webserver", network: { bridge: "testnet" } });
    const server = await web.spawn(serve(80, "by-name"));
    const look = () =>
      run(["sh", "-c", `${wget("http://webserver/")}; ${wget("http://example.test/")}`], {
        network: { bridge: "testnet" },
      });
    await until(async () => (await look()).stdout === "by-name\nthe internet\n");
    const [, ip] = /inet ([\d.]+)/.exec((await web.run(["busybox", "ip", "-o", "addr", "show", "eth0"])).stdout) ?? [];
    expect((await run(["sh", "-c", wget(`http://${ip}/`)], { network: "bridge" })).stdout).toBe("refused\n");
    expect(() => removeNetwork("testnet")).toThrow(/is in use by webserver/);
    server.kill("SIGKILL");
    await server.ended;
  } finally {
    await until(() => {
      try {
        removeNetwork("testnet");
        return true;
      } catch {
        return false;
      }
    });
  }
});

test("this machine goes on taking routes from its routers, and takes none from containers", async () => {
  const conf = "/proc/sys/net/ipv6/conf";
  if (!existsSync(conf)) return;
  const acceptRa = (name: string) => readFileSync(`${conf}/${name}/accept_ra`, "utf8").trim();
  writeFileSync(`${conf}/all/forwarding`, "0");
  writeFileSync(`${conf}/up0/accept_ra`, "1");
  await using _ = await container({ network: "bridge" });
  expect(readFileSync(`${conf}/all/forwarding`, "utf8").trim()).toBe("1");
  expect(acceptRa("up0")).toBe("2");
  expect(acceptRa(findNetwork("network", "caisson").bridge)).toBe("0");
});

test("the first container of a network can ask for names at once", async () => {
  createNetwork("first", {});
  for (let i = 0; i < 3; i++) {
    await until(() => !resolving());
    const { stdout } = await run(["getent", "hosts", "box"], { network: { bridge: "first" }, hostname: "box" });
    expect(stdout).toMatch(/ box\n$/);
    const asked = await run(["sh", "-c", wget("http://example.test/")], { network: { bridge: "first" } });
    expect(asked.stdout.trim()).toBe("the internet");
  }
  removeNetwork("first");
});

test("an internal network has no way out, not by questions either, and of this machine reaches its resolver alone", async () => {
  createNetwork("closed", { internal: true });
  const page = spawn("/bin/busybox", ["httpd", "-f", "-p", "8088", "-h", root], { stdio: "ignore" });
  const network = { bridge: "closed" };
  try {
    await until(() => get("http://127.0.0.1:8088/") === "the internet");
    await using server = await container({ name: "server", network });
    server.spawn(serve(80, "from-within")).catch(() => {});
    const [, own] = /inet ([\d.]+)/.exec((await server.run(["busybox", "ip", "addr", "show", "eth0"])).stdout) ?? [];
    await until(() => get(`http://${own}/`) === "from-within");
    const { subnets } = findNetwork("network", "closed");
    const here = wget(`http://${formatIp(subnets[0]?.gateway as Address)}:8088/`);
    const names = "getent hosts example.test || echo unknown";
    const asked = [wget("http://server/"), names, here, wget("http://192.0.2.80/"), "busybox ip route"].join("; ");
    const { stdout } = await run(["sh", "-c", asked], { network });
    expect(stdout).toMatch(/^from-within\nunknown\nrefused\nrefused\n10\.\S+ dev eth0 .*\n$/);
    await expect(run(["true"], { network: { ...network, ports: ["80:80"] } })).rejects.toThrow(/is internal/);
  } finally {
    page.kill("SIGKILL");
    await until(() => interfaces().every((name) => name !== findNetwork("network", "closed").bridge));
    removeNetwork("closed");
  }
});

test("a network with the addresses of one that was forgotten a moment ago has a resolver of its own", async () => {
  for (const name of ["one", "two"]) {
    createNetwork(name, { subnet: "10.99.0.0/24" });
    const network = { bridge: name };
    {
      await using _ = await container({ network, hostname: "box" });
      expect((await run(["getent", "ahostsv4", "box"], { network })).stdout).toContain("10.99.0.");
    }
    removeNetwork(name);
  }
});

test("a container that asks for many names at once keeps its neighbours from none, and the resolver from no end", async () => {
  createNetwork("asked", {});
  const network = { bridge: "asked" };
  writeFileSync(join(root, "resolv.conf"), "nameserver 192.0.2.99\n");
  try {
    await using box = await container({ network, hostname: "box" });
    const [resolver = ""] = resolvers();
    const ask = `use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0); open my $f, "<", "/etc/resolv.conf";
      my $to = pack_sockaddr_in(53, inet_aton(<$f> =~ /([\\d.]+)/));
      send $s, pack("n6 C/a* x n2", $_ % 65536, 256, 1, 0, 0, 0, "x$_", 1, 1), 0, $to for 1..5000; print "asked"`;
    await using other = await container({ network });
    const asking = other.run(["perl", "-e", ask]);
    // Each question that is passed on has a socket of its own.
    const open = () => list(`/proc/${resolver}/fd`).length;
    await until(() => open() > 50);
    let most = 0;
    for (let i = 0; i < 30; i++) {
      most = Math.max(most, open());
      await Bun.sleep(10);
    }
    expect((await asking).stdout).toBe("asked");
    expect(most).toBeLessThan(150);
    expect((await box.run(["hostname"])).stdout).toBe("box\n");
    expect((await run(["timeout", "20", "getent", "hosts", "box"], { network })).stdout).toMatch(/ box\n$/);
  } finally {
    writeFileSync(join(root, "resolv.conf"), "nameserver 192.0.2.53\n");
  }
  await until(() => interfaces().every((name) => name !== findNetwork("network", "asked").bridge));
  removeNetwork("asked");
  await until(() => !resolving());
});

const SIX = "/proc/sys/net/ipv6/conf";
test.skipIf(!existsSync(SIX))(
  "no neighbour is a container's router, and a network without IPv6 has none of it",
  async () => {
    createNetwork("four", { ipv6: false });
    const { bridge } = findNetwork("network", "four");
    const look = `cd ${SIX}/eth0 && cat accept_ra disable_ipv6`;
    expect((await run(["sh", "-c", look], { network: "bridge" })).stdout).toBe("0\n0\n");
    {
      await using box = await container({ network: { bridge: "four" } });
      expect((await box.run(["sh", "-c", `${look}; busybox ip -6 addr show eth0`])).stdout).toMatch(/^\d\n1\n$/);
      expect(readFileSync(`${SIX}/${bridge}/disable_ipv6`, "utf8")).toBe("1\n");
    }
    removeNetwork("four");
  },
);

test("definitions of networks that cannot be", () => {
  expect(() => createNetwork("No")).toThrow(/small letters/);
  expect(() => createNetwork("x", { subnet: "192.0.2.0/25" })).toThrow(/192\.0\.2\.1\/24 is in use on this machine/);
  expect(() => createNetwork("x", { subnet: "10.200.0.0/31" })).toThrow(/with room for containers/);
  expect(() => createNetwork("x", { subnet: "10.200.0.0/24", gateway: "10.201.0.1" })).toThrow(/gateway/);
  expect(() => createNetwork("x", { mtu: 10 })).toThrow(/mtu/);
});

test("a pod: namespaces that live as files, shared by containers, with no process kept", async () => {
  const pod = await createPod({
    name: "apod",
    network: { bridge: "caisson", ports: ["8070:80"] },
    sysctls: { "net.core.somaxconn": "77" },
  });
  try {
    expect(pod.namespaces).toEqual(["network", "ipc", "uts"]);
    {
      await using web = await container({ pod: "apod" });
      const server = await web.spawn(serve(80, "in the pod"));
      await until(
        () =>
          get("http://127.0.0.1:8070/") === "in the pod".split(" ")[0] ||
          get("http://127.0.0.1:8070/").startsWith("in"),
      );
      const r = await run(["sh", "-c", `hostname; cat /proc/sys/net/core/somaxconn; ${wget("http://127.0.0.1/")}`], {
        pod: "apod",
      });
      expect(r.stdout).toMatch(/^apod\n77\nin/);
      await expect(removePod("apod")).rejects.toThrow(/is in use by/);
      server.kill("SIGKILL");
      await server.ended;
    }
    await expect(createPod({ name: "apod" })).rejects.toThrow(/there is a pod apod already/);
  } finally {
    await until(() =>
      removePod("apod").then(
        () => true,
        () => false,
      ),
    );
  }
  await expect(run(["true"], { pod: "apod" })).rejects.toThrow(/there is no pod/);
});

test("the network of another container", async () => {
  await using one = await container({ network: "bridge" });
  const own = (await one.run(["readlink", "/proc/self/ns/net"])).stdout;
  expect((await run(["readlink", "/proc/self/ns/net"], { network: { container: one.name } })).stdout).toBe(own);
  expect((await run(["readlink", "/proc/self/ns/net"], { network: { path: `/proc/${one.pid}/ns/net` } })).stdout).toBe(
    own,
  );
  await expect(run(["true"], { network: { path: `/proc/${one.pid}/ns/uts` } })).rejects.toThrow(
    /is not a network namespace: it is a uts namespace/,
  );
  await expect(run(["true"], { network: { path: "/proc/0/ns/net" } })).rejects.toThrow(/is not there: ENOENT/);
});

test("macvlan: a neighbour on the host's own network", async () => {
  const r = await run(["sh", "-c", `busybox ip -o addr show eth0; ${wget("http://192.0.2.80/")}`], {
    network: { macvlan: "up0", address: "192.0.2.200/24", gateway: "192.0.2.53" },
  });
  expect(r.stdout).toContain("inet 192.0.2.200/24");
  expect(r.stdout).toContain("the internet");
  await expect(run(["true"], { network: { macvlan: "nothere" } })).rejects.toThrow(
    /is not an interface of this machine: lo/,
  );
  await expect(
    run(["true"], { network: { macvlan: "up0", address: "192.0.2.9/24", gateway: "10.0.0.1" } }),
  ).rejects.toThrow(/gateway/);
});

test("ipvlan: the same with the host's own hardware address, or a refusal by a kernel that lacks it", async () => {
  const network = { ipvlan: "up0", address: "192.0.2.201/24", gateway: "192.0.2.53" } as const;
  const asked = ["sh", "-c", `cat /sys/class/net/eth0/address; ${wget("http://192.0.2.80/")}`];
  const r = await run(asked, { network }).catch((e: Error) => e);
  if (r instanceof Error) {
    expect(r.message).toMatch(
      /make a ipvlan on up0: EOPNOTSUPP \(the kernel was built without this kind of interface\)/,
    );
    return console.log("skipped: ipvlan: the kernel was built without it");
  }
  // The sysfs that is mounted here is of another network namespace.
  const [, own] =
    /link\/ether (\S+)/.exec(execFileSync("ip", ["-o", "link", "show", "up0"], { encoding: "utf8" })) ?? [];
  expect(r.stdout).toBe(`${own}\nthe internet\n`);
  await expect(run(["true"], { network: { ...network, mode: "l4" as "l2" } })).rejects.toThrow(
    /network\.mode: "l4" is not one of l2, l3, l3s/,
  );
});

test("a rate is kept", async () => {
  const took = async (bandwidth?: { download: string }) => {
    await using c = await container({ network: { bridge: "caisson", ...(bandwidth && { bandwidth }) } });
    const began = performance.now();
    await c.run([
      "sh",
      "-c",
      asking("192.0.2.80", "80", "/big").replace("timeout 2", "timeout 20").replace("tail -n 1", "cat > /dev/null"),
    ]);
    return performance.now() - began;
  };
  writeFileSync(join(root, "big"), new Uint8Array(3_000_000));
  const [free, limited] = [await took(), await took({ download: "1MB/s" })];
  rmSync(join(root, "big"));
  expect(limited).toBeGreaterThan(1500);
  expect(free).toBeLessThan(limited / 2);
});

test("the command: networks, ports, what inspect says of them", async () => {
  expect((await sh("network", "create", "cmdnet", "--subnet", "10.222.0.0/24", "--no-ipv6")).out).toBe("cmdnet\n");
  expect((await sh("network", "list")).out).toContain("10.222.0.0/24");
  expect(
    (await sh("run", "-d", "--rm", "--name", "cmdweb", "--network", "cmdnet", "-p", "8060:80", "--", "sleep", "60"))
      .code,
  ).toBe(0);
  expect((await sh("port", "add", "cmdweb", "8061:81")).out).toBe("8061:81/tcp\n");
  expect((await sh("port", "list", "cmdweb")).out.trim().split("\n").sort()).toEqual(["8060:80/tcp", "8061:81/tcp"]);
  const [seen] = JSON.parse((await sh("inspect", "cmdweb")).out);
  expect(seen.network).toMatchObject({ name: "cmdnet", addresses: ["10.222.0.2"] });
  expect(seen.namespaces.network.inode).toBeGreaterThan(0);
  expect((await sh("network", "remove", "cmdnet")).err).toContain("is in use by cmdweb");
  expect((await sh("port", "remove", "cmdweb", "8062")).err).toContain('"8062" is not published: 8060:80/tcp');
  expect((await sh("port", "remove", "cmdweb", "8061")).code).toBe(0);
  expect((await sh("port", "remove", "cmdweb", "80/tcp")).code).toBe(0);
  expect((await sh("port", "list", "cmdweb")).out).toBe("");
  // It says that it has ended when its address is given back.
  expect((await sh("stop", "cmdweb")).code).toBe(0);
  expect(await sh("network", "remove", "cmdnet")).toMatchObject({ code: 0, err: "" });
  expect((await sh("run", "--network", "nosuch", "--", "true")).err).toContain(
    'is not a network: "caisson network list"',
  );
});

test("the command: addresses, names and rates as they are asked for", async () => {
  const made = ["--subnet", "10.223.0.0/24", "--gateway", "10.223.0.254", "--subnet6", "fd00:223::/64"];
  const how = ["--mtu", "1400", "--internal", "--no-resolver"];
  expect(await sh("network", "create", "cmdall", ...made, ...how)).toMatchObject({ code: 0, err: "" });
  const [network] = JSON.parse((await sh("network", "inspect", "cmdall")).out);
  expect(network).toMatchObject({ internal: true, resolver: false, mtu: 1400 });
  expect(network.subnets[0]).toEqual({ subnet: "10.223.0.0/24", gateway: "10.223.0.254" });
  const own = ["--ip", "10.223.0.7", "--ip6", "fd00:223::7", "--mac-address", "02:11:22:33:44:55"];
  const look = "busybox ip -o addr show eth0; cat /sys/class/net/eth0/mtu; busybox ip link show eth0";
  const seen = await sh("run", "--network", "cmdall", ...own, "--", "sh", "-c", look);
  expect(seen).toMatchObject({ code: 0, err: "" });
  for (const text of ["10.223.0.7/24", "fd00:223::7/64", "1400", "02:11:22:33:44:55"]) expect(seen.out).toContain(text);
  expect((await sh("network", "remove", "cmdall")).code).toBe(0);
  const rules = [
    "--publish",
    "8070:80",
    "--deny-all",
    "--allow",
    "10.0.0.0/8",
    "--upload",
    "1MB/s",
    "--download",
    "2MB/s",
  ];
  const names = await sh(
    "run",
    "--network",
    "bridge",
    ...rules,
    "--dns-option",
    "ndots:4",
    "--",
    "cat",
    "/etc/resolv.conf",
  );
  expect(names).toMatchObject({ code: 0, err: "", out: expect.stringContaining("options ndots:4\n") });
});

test("caisson in caisson in caisson, each with ids, limits and a network of its own", async () => {
  const layered = /^\S+ \S+ \S+ \S+ \/ .* - overlay /m.test(readFileSync("/proc/self/mountinfo", "utf8"));
  if (layered)
    return console.log("skipped: three levels: this machine's root is an overlay already, and two are the most");
  const options = [
    "--cgroups",
    "delegate",
    "--userns",
    "auto",
    "--network",
    "bridge",
    "--memory",
    "200M",
    "--cap-add",
    "ALL",
  ];
  const open = ["seccomp=unconfined", "no-new-privileges=false", "systempaths=unconfined"].flatMap((o) => [
    "--security-opt",
    o,
  ]);
  // Where a root of other ids may search the way: a checkout may be in a directory of its owner's.
  const at = join(root, "nested");
  chmodSync(root, 0o755);
  mkdirSync(at, { mode: 0o755 });
  const [script, command] = [join(at, "nested.sh"), join(at, "caisson")];
  copyFileSync(join(import.meta.dir, "nested.sh"), script);
  copyFileSync(caisson, command);
  const r = await sh("run", ...options, ...open, "--workdir", "/", "--", "sh", script, command, "2");
  rmSync(at, { recursive: true });
  expect(r.err).toBe("");
  const lines = r.out.trim().split("\n");
  const addresses = lines.filter((l) => /^10\.157\.\d+\.2\/24$/.test(l));
  expect(addresses.length).toBe(3);
  // A network is another than the one around it; what is further out is out of sight.
  expect(addresses[1]).not.toBe(addresses[0]);
  expect(addresses[2]).not.toBe(addresses[1]);
  // Each level has fewer ids, of those that the one above has.
  expect(lines.filter((l) => /^0 \d+$/.test(l))).toEqual(["0 65536", "0 20000", "0 10000"]);
});

/** The resolvers of earlier networks leave a moment after their last container. */
test("each step of a start on a bridge fails in turn, and nothing is left", async () => {
  await until(() => !resolving());
  const failed = await eachStepFails(
    {
      network: {
        bridge: "caisson",
        ports: ["8050:80"],
        egress: { allow: ["10.0.0.0/8"] },
        bandwidth: { upload: "1M" },
      },
    },
    {
      labels: /network|bridge|publish|limit|address|interface|route|lock|answer|netlink|nf_tables|write 1/i,
      look: left,
    },
  );
  expect(failed).toBeGreaterThan(rounds(40));
}, 300_000);

describe.skipIf(!hasIptables)(
  `a firewall of iptables${hasIptables ? "" : " (skipped: no iptables of nf_tables)"}`,
  () => {
    const tables = ["iptables", "ip6tables"] as const;
    const rules = () => tables.map((command) => execFileSync(command, ["-S"], { encoding: "utf8" })).join("");
    const policy = (verdict: "DROP" | "ACCEPT") => {
      for (const command of tables)
        for (const chain of ["FORWARD", "INPUT"]) execFileSync(command, ["-P", chain, verdict]);
    };
    const answers = ["INPUT", "-i", "up0", "-j", "ACCEPT"];
    const neighbours = ["INPUT", "-p", "icmpv6", "-j", "ACCEPT"];
    const reaches = async (bridge: string, host: string) =>
      (await run(["sh", "-c", wget(`http://${host}/`)], { network: { bridge } })).stdout.trim();
    let closed = "";

    beforeAll(() => {
      policy("DROP");
      execFileSync("iptables", ["-A", ...answers]);
      execFileSync("ip6tables", ["-A", ...neighbours]);
      createNetwork("walled", {});
      closed = rules();
    });
    afterAll(() => {
      removeNetwork("walled");
      execFileSync("iptables", ["-D", ...answers]);
      execFileSync("ip6tables", ["-D", ...neighbours]);
      policy("ACCEPT");
    });
    afterEach(async () => {
      await until(() => rules() === closed).catch(() => expect(rules()).toBe(closed));
    });

    test("that drops what nothing accepts lets networks and their resolvers pass, and is then as it was", async () => {
      expect(await reaches("caisson", "192.0.2.80")).toBe("the internet");
      await until(async () => (await reaches("walled", "example.test")) === "the internet");
      expect(rules()).toBe(closed);
    });

    test("that is emptied meanwhile is passed again by the next container", async () => {
      const { bridge } = findNetwork("network", "walled");
      await using _ = await container({ network: { bridge: "walled" } });
      const leading = `-A FORWARD -j CAISSON-${bridge}\n`;
      expect(rules().split(leading)).toHaveLength(3);
      execFileSync("iptables", ["-F", "FORWARD"]);
      expect(rules().split(leading)).toHaveLength(2);
      expect(await reaches("walled", "192.0.2.80")).toBe("the internet");
      expect(rules().split(leading)).toHaveLength(3);
    });

    test("that drops all by a rule of its own is not passed", async () => {
      execFileSync("iptables", ["-A", "FORWARD", "-d", "192.0.2.80", "-j", "DROP"]);
      try {
        expect(await reaches("caisson", "192.0.2.80")).toBe("refused");
        expect(await reaches("caisson", "192.0.2.81")).toBe("the internet");
      } finally {
        execFileSync("iptables", ["-D", "FORWARD", "-d", "192.0.2.80", "-j", "DROP"]);
      }
    });

    test("an internal network has no way through it but to its resolver", async () => {
      createNetwork("inner", { internal: true });
      {
        await using _box = await container({ network: { bridge: "inner" }, hostname: "box" });
        expect(rules()).not.toMatch(/-A FORWARD -j CAISSON/);
        expect((await run(["getent", "hosts", "box"], { network: { bridge: "inner" } })).stdout).toMatch(/ box\n$/);
      }
      removeNetwork("inner");
    });

    test("each step that passes it fails in turn, and it is as it was", async () => {
      const all = () => ({ ...left(), rules: rules() });
      const steps = /^let CAISSON\S+ pass (FORWARD|INPUT)|^note the rule's handle/;
      const failed = await eachStepFails({ network: "bridge" }, { labels: steps, look: all });
      expect(failed).toBeGreaterThan(rounds(4));
    }, 120_000);
  },
);
