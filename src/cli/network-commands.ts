import { InvalidOptionError } from "../values/errors.ts";
import type { Command } from "./help.ts";
import { networkOptions } from "./network-options.ts";
import type { OptionTable } from "./option-table.ts";

const networks = () => import("./network.ts");
const namespaces = () => import("./namespaces.ts");

function some(what: string, names: readonly string[]): readonly string[] {
  if (names.length === 0)
    throw new InvalidOptionError(what.toUpperCase(), "", `given; "caisson ${what} list" lists those there are`);
  return names;
}

const json: OptionTable = { json: { type: "boolean", help: "as JSON" } };

/** Networks, ports, pods, and the namespaces of the machine. */
export const networkCommands: Readonly<Record<string, Command>> = {
  "network create": {
    words: "[options] NETWORK",
    summary: "write a network down; its bridge is made with its first container",
    options: {
      subnet: { type: "string", value: "CIDR", help: "its IPv4 subnet (default: one that is free)" },
      subnet6: { type: "string", value: "CIDR", help: "its IPv6 subnet (default: one that is free)" },
      gateway: { type: "string", value: "ADDRESS", help: "this machine's address on it (default: the first)" },
      internal: { type: "boolean", help: "its containers reach each other and nothing else" },
      "no-ipv6": { type: "boolean", help: "IPv4 alone" },
      "no-resolver": { type: "boolean", help: "no resolver for the names of its containers" },
      mtu: { type: "string", value: "N", help: "the largest packet" },
    },
    own: "all",
    perform: async (v, names) => (await networks()).create(v, some("network", names)[0] as string),
  },
  "network list": {
    words: "[options]",
    summary: "list networks and who is on them",
    options: json,
    own: "all",
    perform: async (v) => (await networks()).list(v),
  },
  "network inspect": {
    words: "NETWORK…",
    summary: "subnets, gateways and addresses of a network, as JSON",
    options: {},
    own: "all",
    perform: async (_, names) => (await networks()).inspect(some("network", names)),
  },
  "network remove": {
    words: "NETWORK…",
    summary: "forget a network that nobody is on",
    options: {},
    own: "all",
    perform: async (_, names) => (await networks()).remove(some("network", names)),
  },
  "port add": {
    words: "NAME PORT…",
    summary: "let a port of this machine lead to a running container: 8080:80",
    options: {},
    own: "all",
    perform: async (_, words) => (await networks()).port("add", words),
  },
  "port remove": {
    words: "NAME PORT…",
    summary: "take it back: 8080:80, or either of the two",
    options: {},
    own: "all",
    perform: async (_, words) => (await networks()).port("remove", words),
  },
  "port list": {
    words: "NAME",
    summary: "the ports that lead to a container",
    options: {},
    own: "all",
    perform: async (_, words) => (await networks()).port("list", words),
  },
  "pod create": {
    words: "[options] [NAME]",
    summary: "make namespaces for containers to share, kept as files: no process stays for them",
    options: {
      ...networkOptions,
      hostname: { type: "string", short: "h", value: "NAME", help: "host name" },
      keep: { type: "string", multiple: true, value: "KIND", help: "network, ipc, uts (the default) or user" },
      sysctl: { type: "string", multiple: true, value: "K=V", help: "set a kernel parameter of its namespaces" },
    },
    own: "all",
    perform: async (v, [name]) => (await namespaces()).podCreate(v, name),
  },
  "pod list": {
    words: "[options]",
    summary: "list pods and the containers in them",
    options: json,
    own: "all",
    perform: async (v) => (await namespaces()).podList(v),
  },
  "pod remove": {
    words: "POD…",
    summary: "let the namespaces of a pod go, and its network",
    options: {},
    own: "all",
    perform: async (_, names) => (await namespaces()).podRemove(some("pod", names)),
  },
  "device add": {
    words: "NAME DEV[:DST][:rwm]…",
    summary: "give a running container a device of the host",
    options: {},
    own: "all",
    perform: async (_, words) => (await namespaces()).device("add", words),
  },
  "device remove": {
    words: "NAME PATH…",
    summary: "take a device from a running container",
    options: {},
    own: "all",
    perform: async (_, words) => (await namespaces()).device("remove", words),
  },
  ns: {
    words: "[options]",
    summary: "the namespaces of this machine as a tree, with the containers that are in them",
    options: json,
    own: "all",
    perform: async (v) => (await namespaces()).namespaces(v),
  },
};
