import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Manager, runtimeDirectory } from "./scope.ts";

const object = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];

/** busctl(1) is systemd's own D-Bus client: it is where systemd is. */
async function busctl(manager: Manager, verb: string, words: readonly string[]): Promise<string> {
  const env = { ...process.env, XDG_RUNTIME_DIR: runtimeDirectory() };
  try {
    return (await promisify(execFile)("busctl", [`--${manager}`, verb, ...object, ...words], { env })).stdout;
  } catch (e) {
    // What it says itself comes last, after the words that it was called with.
    const why = e instanceof Error ? (e.message.trim().split("\n").at(-1) ?? e.message) : String(e);
    throw new Error(why, { cause: e });
  }
}

/** Calls a method of systemd's manager: org.freedesktop.systemd1(5). Rejects with what it answered. */
export const callManager = (m: Manager, method: string, signature: string, words: readonly string[]) =>
  busctl(m, "call", [method, signature, ...words]);

/** The manager's own control group, below the top of the hierarchy. */
export async function groupOfManager(m: Manager): Promise<string> {
  const answer = await busctl(m, "get-property", ["ControlGroup"]);
  return JSON.parse(answer.trim().replace(/^s /, "")) as string;
}

/** No limit, in a number of 64 bits. */
export const INFINITY = (2n ** 64n - 1n).toString();

export type Property = readonly [name: string, signature: string, ...values: string[]];

const counted = (properties: readonly Property[]): string[] => [String(properties.length), ...properties.flat()];

/** Asks for a unit with these properties to be started; it may not be yet, when this resolves. */
export const startTransientUnit = (
  m: Manager,
  name: string,
  mode: "fail" | "replace",
  properties: readonly Property[],
) => callManager(m, "StartTransientUnit", "ssa(sv)a(sa(sv))", [...[name, mode], ...counted(properties), "0"]);

/** Changes a unit's properties until it ends. */
export const setUnitProperties = (m: Manager, name: string, properties: readonly Property[]) =>
  callManager(m, "SetUnitProperties", "sba(sv)", [name, "true", ...counted(properties)]);
