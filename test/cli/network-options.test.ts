import { expect, test } from "bun:test";
import { toNetwork } from "../../src/cli/network-options.ts";
import { planDirect } from "../../src/network/direct.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

test("the words of the command line are the library's options", () => {
  expect(toNetwork({})).toBeUndefined();
  expect(toNetwork({ publish: ["80"] })).toEqual({ bridge: "caisson", ports: ["80"] });
  expect(toNetwork({ network: "macvlan:eth0", "mac-address": "02:00:00:00:00:01", gateway: "10.0.0.1" })).toEqual({
    macvlan: "eth0",
    mac: "02:00:00:00:00:01",
    gateway: "10.0.0.1",
  });
  expect(toNetwork({ network: "pasta", dns: ["10.0.0.53"] })).toEqual({ pasta: true, dns: ["10.0.0.53"] });
  expect(toNetwork({ network: "ipvlan:eth0", "dns-search": ["a.b"], "dns-option": ["ndots:2"] })).toEqual({
    ipvlan: "eth0",
    dnsSearch: ["a.b"],
    dnsOptions: ["ndots:2"],
  });
});

test("of interfaces on the host's, macvlan has an address of its own", () => {
  const mac = "02:00:00:00:00:07";
  expect(planDirect("macvlan", "lo", { mac }).inside.mac).toEqual(Uint8Array.of(2, 0, 0, 0, 0, 7));
  expect(() => planDirect("ipvlan", "lo", { mac })).toThrow("network.mac");
  expect(() => planDirect("macvlan", "lo", { mac: "01:00:00:00:00:07" })).toThrow("network.mac");
});

test("what a network does not have is refused, and not passed over", () => {
  for (const [network, option, value] of [
    [undefined, "dns", ["10.0.0.53"]],
    [undefined, "gateway", "10.0.0.1"],
    ["none", "publish", ["80"]],
    ["host", "dns", ["10.0.0.53"]],
    ["none", "dns-search", ["a.b"]],
    ["cni:a", "dns-option", ["rotate"]],
    ["bridge", "gateway", "10.0.0.1"],
    ["pasta", "gateway", "10.0.0.1"],
    ["pasta", "ip", "10.0.0.2"],
    ["container:a", "dns", ["10.0.0.53"]],
    ["ns:/run/netns/a", "gateway", "10.0.0.1"],
    ["cni:a", "mac-address", "02:00:00:00:00:01"],
    ["macvlan:eth0", "download", "1mbit"],
    ["ipvlan:eth0", "ip6", "fd00::2"],
  ] as const)
    expect(() => toNetwork({ ...(network !== undefined && { network }), [option]: value })).toThrow(`--${option}`);
});

test.skipIf(!isRoot)("a name server is an address", async () => {
  for (const server of ["1.2.3.4.5", "dns.example", "10.0.0.53\noptions rotate"]) {
    const { code, err } = await sh("run", "--network", "bridge", "--dns", server, "--", "true");
    expect({ code, err }).toEqual({ code: 125, err: expect.stringContaining("network.dns") });
  }
  const { err } = await sh("run", "--network", "bridge", "--dns-search", "a b", "--", "true");
  expect(err).toBe('caisson: network.dnsSearch: "a b" is not a domain such as "example.com", or "."\n');
});
