import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  contains,
  formatCidr,
  formatIp,
  fromNumber,
  overlaps,
  parseCidr,
  parseIp,
  rangeOf,
  toNumber,
} from "../../src/network/address.ts";
import { allows, parseEgress } from "../../src/network/egress.ts";
import { formatPort, parsePort } from "../../src/network/ports.ts";
import { checkDns, formatResolvConf, parseResolvConf } from "../../src/network/resolv-conf.ts";

test("addresses are read as they are written, and written as RFC 5952 has them", () => {
  for (const [text, formatted] of [
    ["10.0.0.1", "10.0.0.1"],
    ["::1", "::1"],
    ["fd00:0:0:0:1:0:0:2", "fd00::1:0:0:2"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
    ["::", "::"],
  ] as const)
    expect(formatIp(parseIp(text) ?? { family: "ipv4", bytes: [] })).toBe(formatted);
  for (const bad of ["10.0.0", "10.0.0.256", "fe80::1%eth0", "", "x"]) expect(parseIp(bad)).toBeUndefined();
});

test("each IPv6 address reads back as itself", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 128n - 1n), (n) => {
      const a = { family: "ipv6" as const, bytes: fromNumber("ipv6", n) };
      expect(toNumber(parseIp(formatIp(a))?.bytes ?? [])).toBe(n);
    }),
  );
});

test("subnets: what is in them, and which overlap", () => {
  const subnet = parseCidr("subnet", "10.1.2.0/23");
  expect(rangeOf(subnet).map((n) => formatIp({ family: "ipv4", bytes: fromNumber("ipv4", n) }))).toEqual([
    "10.1.2.0",
    "10.1.3.255",
  ]);
  expect(contains(subnet, parseCidr("a", "10.1.3.7"))).toBe(true);
  expect(contains(subnet, parseCidr("a", "10.1.4.0"))).toBe(false);
  expect(contains(subnet, parseCidr("a", "fd00::1"))).toBe(false);
  expect(overlaps(subnet, parseCidr("a", "10.0.0.0/8"))).toBe(true);
  expect(formatCidr(subnet)).toBe("10.1.2.0/23");
  for (const bad of ["10.0.0.0/33", "10.0.0.0/8/8", "fd00::/129", "nonsense"])
    expect(() => parseCidr("subnet", bad)).toThrow(/subnet: ".*" is not an address/);
});

test("ports as Docker has them", () => {
  const text = (t: string) => parsePort("ports", t).map(formatPort);
  expect(text("8080:80")).toEqual(["8080:80/tcp"]);
  expect(text("127.0.0.1:53:53/udp")).toEqual(["127.0.0.1:53:53/udp"]);
  expect(text("[::1]:8080:80")).toEqual(["[::1]:8080:80/tcp"]);
  expect(text("8000-8001:80-81")).toEqual(["8000:80/tcp", "8001:81/tcp"]);
  expect(text("80")).toEqual(["0:80/tcp"]);
  for (const bad of ["", "0:80", "80:70000", "1-2:3", "a:b", "80:80/sctp", "1:2:3:4", "1.2.3:80:80"])
    expect(() => parsePort("ports", bad)).toThrow(/ports: /);
});

test("what may be reached: addresses, subnets, names, with and without a port", () => {
  const { targets, names } = parseEgress({
    allow: ["example.com:443", "*.Example.org", "10.0.0.0/8", "192.0.2.1:53/udp", "fd00::1", "[fd00::/16]:80"],
  });
  expect(names).toEqual([{ name: "example.com", port: 443, protocol: "tcp" }, { name: "*.example.org" }]);
  expect(targets.map((t) => [formatCidr(t.subnet), t.port, t.protocol])).toEqual([
    ["10.0.0.0/8", undefined, undefined],
    ["192.0.2.1/32", 53, "udp"],
    ["fd00::1/128", undefined, undefined],
    ["fd00::/16", 80, "tcp"],
  ]);
  for (const bad of [
    "",
    "exa mple.com",
    "example.com:0",
    "example.com:99999",
    "10.0.0.0/40",
    "-x.com",
    ":80",
    "[fd00::1",
    "[]:80",
    "x]:80",
  ])
    expect(() => parseEgress({ allow: [bad] })).toThrow(/is not an address/);
  expect(allows("*.example.org", "a.b.example.org")).toBe(true);
  expect(allows("*.example.org", "example.org")).toBe(false);
  expect(allows("*.example.org", "badexample.org")).toBe(false);
});

test("resolv.conf", () => {
  const c = parseResolvConf("# x\nnameserver 127.0.0.53\nsearch a.b\n options edns0\nnameserver  192.0.2.1\n");
  expect(c).toEqual({ servers: ["127.0.0.53", "192.0.2.1"], rest: ["search a.b", "options edns0"] });
  expect(formatResolvConf(["10.0.0.1"], c)).toBe("nameserver 10.0.0.1\nsearch a.b\noptions edns0\n");
  const given = { dnsSearch: ["c.d", "e"], dnsOptions: ["ndots:2", "rotate"] };
  expect(formatResolvConf([], c, given)).toBe("search c.d e\noptions ndots:2 rotate\n");
  expect(formatResolvConf([], c, { dnsSearch: ["."] })).toBe("options edns0\n");
  expect(formatResolvConf([], c, { dnsOptions: [] })).toBe("search a.b\n");
  expect(() => checkDns({ dns: ["10.0.0.53", "fd00::1"], ...given, dnsSearch: [".", "a_b.c."] })).not.toThrow();
  for (const [name, value] of [
    ["dns", "dns.example"],
    ["dnsSearch", "a b"],
    ["dnsSearch", "a\nnameserver 192.0.2.1"],
    ["dnsSearch", ""],
    ["dnsOptions", "ndots:x"],
    ["dnsOptions", "rotate\nnameserver 192.0.2.1"],
  ] as const)
    expect(() => checkDns({ [name]: [value] })).toThrow(`network.${name}: `);
});
