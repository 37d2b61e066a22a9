import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Hierarchy, Layout } from "../cgroups/layout.ts";
import type { Process, Spec } from "../compile/spec.ts";
import { type HostFacts, hostFacts } from "../host/facts.ts";
import { knowsAllCalls, withReceiver } from "./annotations.ts";
import { grantable, sayOfAmbient } from "./capabilities.ts";
import { type GroupPlace, groupPlace } from "./cgroups-path.ts";
import { checkSpec, withoutForeignMounts } from "./checks.ts";
import { ConfigError, parseJson, parseSpec, readText } from "./config.ts";
import type { Global } from "./context.ts";
import { completeSpec } from "./describe.ts";
import {
  delegatedTo,
  engineLayout,
  layoutOfUnit,
  ownDirectory,
  type RuntimeGroups,
  resctrlFor,
  runtimeGroups,
  withDefaultDevices,
  withResctrl,
} from "./groups.ts";
import { warn } from "./log.ts";
import { directoryOf, RuntimeError } from "./places.ts";
import { savedState } from "./saved.ts";
import type { Saved } from "./state.ts";
import { unitProperties } from "./unit-properties.ts";

/** What a container is to be: its configuration, checked and completed, and its control groups, of which the parents are made. */
export async function readBundle(
  g: Global,
  id: string | undefined,
  o: BundleOptions,
  check: (spec: Spec) => void,
): Promise<Bundle> {
  const directory = directoryOf(g.root, id);
  const bundle = resolve(o.bundle ?? ".");
  if (existsSync(directory)) throw new RuntimeError(`container ${id}: container with given ID already exists`);
  const text = o.text ?? readText(o.config ?? join(bundle, "config.json"));
  const say = (message: string) => warn(g.log, message);
  const parsed = withoutForeignMounts(withReceiver(parseSpec(parseJson(text, "config.json"), say)), say);
  checkSpec(parsed);
  if (knowsAllCalls(parsed)) (await import("./known-calls.ts")).checkCalls(parsed);
  const facts = hostFacts();
  const given = { ...parsed, process: grantable(parsed.process as Process, parsed, facts, say) };
  sayOfAmbient(given.process, say);
  const rootless = facts.uid !== 0 || facts.userNamespace === true;
  const at = g.systemd ? await (await import("./systemd.ts")).managerAt(rootless) : { top: delegatedTo(facts) };
  const place = groupPlace(given.linux?.cgroupsPath, id as string, at);
  const layout = engineLayout(facts);
  // Without groups of its own it is where its maker is.
  const grouped = place.unit !== undefined || !(rootless ? g.rootless !== "false" : g.rootless === "true");
  const directoryIn = (h: Hierarchy) => (grouped ? h.top + place.path : ownDirectory(layout, facts, h));
  const spec = completeSpec(given, bundle, { layout, directoryIn });
  check(spec);
  const resctrl = resctrlFor(spec, id as string, facts);
  const groups = withResctrl(await groupsFor(layout, spec, place, grouped, o.first), resctrl);
  return {
    id: id as string,
    directory,
    bundle,
    spec,
    place,
    groups,
    facts,
    text,
    layout,
    saved: savedState(id as string, bundle, spec, place, groups, o.created),
  };
}

export type BundleOptions = {
  readonly bundle: string | undefined;
  readonly config: string | undefined;
  /** What is to be taken for the text of the configuration. */
  readonly text?: string;
  /** RFC 3339; default: now. */
  readonly created?: string;
  /** What a scope of systemd's begins with; default: this process. */
  readonly first?: number;
};

export type Bundle = {
  readonly id: string;
  readonly directory: string;
  readonly bundle: string;
  /** The configuration as it was read. */
  readonly text: string;
  readonly layout: Layout;
  readonly spec: Spec;
  readonly place: GroupPlace;
  readonly groups: RuntimeGroups;
  readonly facts: HostFacts;
  readonly saved: Saved;
};

async function groupsFor(
  layout: Layout,
  spec: Spec,
  place: GroupPlace,
  grouped: boolean,
  first: number | undefined,
): Promise<RuntimeGroups> {
  if (place.unit) {
    const limits = unitProperties(layout, withDefaultDevices(spec.linux?.resources));
    await (await import("./systemd.ts")).startUnit(place.unit, spec, limits, first);
  }
  if (!grouped) {
    const { devices: _, ...limits } = spec.linux?.resources ?? {};
    const [wanted] = Object.entries(limits).find(([, l]) => l && Object.keys(l).length) ?? [];
    if (wanted === undefined) return { plan: { groups: [] }, directories: [] };
    throw new ConfigError(
      `linux.resources.${wanted}: this user may not make control groups; use --systemd-cgroup, or leave it out`,
    );
  }
  const { path, unit } = place;
  return runtimeGroups(unit?.manager === "user" ? layoutOfUnit(layout, path) : layout, path, spec, unit);
}
