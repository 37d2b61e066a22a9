import { expect, test } from "bun:test";
import { decide, type KnownLease } from "../../src/network/resolver/answer.ts";

const leases: readonly KnownLease[] = [
  { ip: "10.0.0.2", lease: { container: "web", hostname: "www", pid: 1 } },
  { ip: "fd00::2", lease: { container: "web", hostname: "www", pid: 1 } },
  {
    ip: "10.0.0.3",
    lease: { container: "job", hostname: "job", pid: 2, limited: true, names: [{ name: "*.example.com", port: 443 }] },
  },
];
const ask = (name: string, asker = "10.0.0.2", type: "A" | "AAAA" | "PTR" | "TXT" = "A", internal = false) =>
  decide({ name, type }, asker, leases, internal);

test("names of containers, and their host names, in each family", () => {
  expect(ask("web")).toMatchObject({ kind: "answer", answers: [{ type: "A", data: "10.0.0.2" }] });
  expect(ask("WWW.", "10.0.0.2", "AAAA")).toMatchObject({ answers: [{ type: "AAAA", data: "fd00::2" }] });
  // It is there, and has no such address: an empty answer, not "no such name".
  expect(ask("job", "10.0.0.2", "AAAA")).toEqual({ kind: "answer", answers: [] });
  expect(ask("2.0.0.10.in-addr.arpa", "10.0.0.2", "PTR")).toMatchObject({ answers: [{ data: "web" }] });
});

test("who may reach all asks for all; who may reach names asks for those alone; strangers for nothing", () => {
  expect(ask("example.com")).toEqual({ kind: "forward", allowed: [] });
  expect(ask("a.example.com", "10.0.0.3")).toEqual({
    kind: "forward",
    allowed: [{ name: "*.example.com", port: 443 }],
  });
  expect(ask("example.com", "10.0.0.3")).toEqual({ kind: "refuse" });
  expect(ask("secret-in-a-name.evil.org", "10.0.0.3", "TXT")).toEqual({ kind: "refuse" });
  expect(ask("example.com", "10.0.0.9")).toEqual({ kind: "refuse" });
});

test("of an internal network nobody asks for what is not on it (CVE-2024-29018)", () => {
  expect(ask("job", "10.0.0.2", "A", true)).toMatchObject({ kind: "answer", answers: [{ data: "10.0.0.3" }] });
  expect(ask("a-secret.example.com", "10.0.0.2", "A", true)).toEqual({ kind: "refuse" });
  expect(ask("a-secret.example.com", "10.0.0.3", "TXT", true)).toEqual({ kind: "refuse" });
});
