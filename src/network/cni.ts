import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CaissonError, InvalidOptionError, UnsupportedError } from "../values/errors.ts";

/** Where engines look: CNI specification 1.0 leaves both to them. */
const configurations = () => process.env["CNI_CONF_PATH"]?.split(":") ?? ["/etc/cni/net.d"];
const pluginPlaces = () => process.env["CNI_PATH"]?.split(":") ?? ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

type Plugin = { readonly type: string } & Readonly<Record<string, unknown>>;
/** A list of plugins, each of which is given what those before it made: CNI specification, "Network configuration format". */
export type CniNetwork = { readonly cniVersion: string; readonly name: string; readonly plugins: readonly Plugin[] };

type Written = Partial<CniNetwork> & Partial<Plugin>;

/** A file that is none of a network's is passed over, as other engines do: the directory is everybody's. */
function read(path: string): Written | undefined {
  try {
    const c: unknown = JSON.parse(readFileSync(path, "utf8"));
    return typeof c === "object" && c !== null ? c : undefined;
  } catch (e) {
    if (e instanceof SyntaxError) return undefined;
    throw e;
  }
}

function parse(path: string): CniNetwork | undefined {
  const c = read(path);
  if (!c) return undefined;
  const { cniVersion = "0.4.0", name } = c;
  if (typeof name !== "string") return undefined;
  return { cniVersion, name, plugins: c.plugins ?? (typeof c.type === "string" ? [c as Plugin] : []) };
}

const files = (): string[] =>
  configurations()
    .flatMap((d) =>
      existsSync(d)
        ? readdirSync(d)
            .sort()
            .map((f) => join(d, f))
        : [],
    )
    .filter((f) => /\.(conflist|conf|json)$/.test(f));

const pluginFile = (type: string): string => {
  const found = pluginPlaces()
    .map((d) => join(d, type))
    .find((p) => existsSync(p));
  if (!found || type.includes("/"))
    throw new UnsupportedError(
      "network.cni",
      `no plugin ${type} in ${pluginPlaces().join(", ")}: Debian's package containernetworking-plugins has the usual ones`,
    );
  return found;
};

/** A network by its name in the configuration files, its plugins found. */
export function findCniNetwork(name: string): CniNetwork {
  const all = files().flatMap((f) => parse(f) ?? []);
  const found = all.find((n) => n.name === name);
  if (!found)
    throw new InvalidOptionError(
      "network.cni",
      name,
      `a network of ${configurations().join(", ")}: there ${all.length ? `are ${all.map((n) => n.name).join(", ")}` : "is none"}`,
    );
  for (const p of found.plugins) pluginFile(p.type);
  return found;
}

type Target = { readonly container: string; readonly namespace: string };

/** One plugin, as the specification has it: its parameters in the environment, its configuration on standard input. */
function perform(command: "ADD" | "DEL", n: CniNetwork, p: Plugin, t: Target, previous: unknown): Promise<unknown> {
  const config = {
    ...p,
    cniVersion: n.cniVersion,
    name: n.name,
    ...(previous !== undefined && { prevResult: previous }),
  };
  const env = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    CNI_COMMAND: command,
    CNI_CONTAINERID: t.container,
    CNI_NETNS: t.namespace,
    CNI_IFNAME: "eth0",
    CNI_PATH: pluginPlaces().join(":"),
  };
  return new Promise((resolve, reject) => {
    const child = spawn(pluginFile(p.type), [], { env, stdio: ["pipe", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (chunk) => {
      out += String(chunk);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) return resolve(out.trim() === "" ? undefined : JSON.parse(out));
      const said = /"msg":\s*"((?:[^"\\]|\\.)*)"/.exec(out)?.[1] ?? (out.trim() || `exit status ${code}`);
      reject(
        new CaissonError(
          `network ${n.name}: the plugin ${p.type} failed to ${command === "ADD" ? "connect" : "disconnect"} ${t.container}: ${said}`,
        ),
      );
    });
    child.stdin.end(JSON.stringify(config));
  });
}

export type CniResult = {
  readonly ips?: readonly { readonly address: string }[];
  readonly dns?: { readonly nameservers?: readonly string[] };
};

/** Connects a network namespace: what was done is undone if a later plugin fails. */
export async function cniAdd(n: CniNetwork, t: Target): Promise<CniResult> {
  let result: unknown;
  try {
    for (const p of n.plugins) result = (await perform("ADD", n, p, t, result)) ?? result;
  } catch (e) {
    await cniDelete(n, t).catch(() => {});
    throw e;
  }
  return result ?? {};
}

/** In the other order; each plugin is asked, whatever the others say. */
export async function cniDelete(n: CniNetwork, t: Target): Promise<void> {
  const errors: unknown[] = [];
  for (const p of [...n.plugins].reverse())
    await perform("DEL", n, p, t, undefined).catch((e: unknown) => errors.push(e));
  if (errors.length) throw errors[0];
}
