import { readFileSync } from "node:fs";
import type { CgroupPlan } from "../compile/job.ts";
import { InvalidOptionError, NameError, UnsupportedError } from "../values/errors.ts";
import { checkShape, fields, listOf, object, text } from "../values/shape.ts";
import { parseUlimits, type Ulimit, type Ulimits } from "../values/ulimits.ts";
import { parseDuration } from "../values/units.ts";
import { memory } from "./controllers/memory.ts";
import { delegateGroup, type Owner } from "./delegate.ts";
import { type EventOptions, type GroupEvent, watchGroup } from "./events.ts";
import { ControlGroupError, filesOf, readOptional, subgroups } from "./files.ts";
import { type FreezerState, findFreezer, freeze, freezerOf, freezerState, thaw } from "./freezer.ts";
import { whileFrozen } from "./guard.ts";
import { killAll, notOneself, signalEach } from "./kill.ts";
import { hierarchies, homeOf, type Layout, whyMissing } from "./layout.ts";
import { layout as findLayout, layoutFor } from "./look.ts";
import { filterDevices, makeGroup, Undo } from "./make.ts";
import { directoriesOf, directoryOf, processesBelow, processesIn } from "./members.ts";
import { moveProcess, nearest, type Target, targetsAmong, targetsOf } from "./move.ts";
import { groupPath, isOurs, lineage, nameOf, PREFIX, parentOf } from "./names.ts";
import { isAnythingNoted, isContainers, type NotedGroup, notedOf, noteGroup } from "./noted.ts";
import { planGroups } from "./plan.ts";
import { type Pressures, readPressures } from "./pressure.ts";
import { removeGroup } from "./remove.ts";
import { type NotApplied, narrowest, setRlimits } from "./rlimits.ts";
import { attach, ensureDelegation } from "./systemd.ts";
import {
  allControllers,
  type CheckedLimits,
  type ControllerName,
  checkLimits,
  controllerOf,
  type Limits,
  type Usage,
} from "./table.ts";
import { readLimits, updateLimits } from "./update.ts";

/** Limits by controller, and limits of each process (getrlimit(2)) that hold for all of the group. */
export type GroupLimits = Limits & { readonly rlimits?: Ulimits };
export type GroupUsage = Usage & {
  /** Processes in the group and all below. */
  readonly processes: number;
  readonly pressure: Pressures;
};
export type CreateOptions = {
  /** Controllers that are to count although they have no limit. */
  readonly account?: readonly ControllerName[];
};
export type Waiting = {
  /** How long to wait at most: "30s". Default: "10s". */
  readonly timeout?: number | string;
};

const createShape = fields({ account: listOf(text) });

const DEFAULT_TIMEOUT = 10;
const milliseconds = ({ timeout }: Waiting) =>
  (timeout === undefined ? DEFAULT_TIMEOUT : parseDuration("timeout", timeout)) * 1000;

/**
 * A control group, in whichever hierarchies this machine has. It is a name: any number of these can stand for the same
 * group. Who made one at the top knows besides where it made it, until something is noted of a group: others may have given it more then.
 */
export class ControlGroup {
  /** "web/api", or for a group of somebody else its path: "/user.slice". */
  readonly name: string;
  /** Below the top of each hierarchy. */
  readonly path: string;
  readonly #layout: Layout;
  readonly #made: readonly string[] | undefined;

  private constructor(path: string, layout: Layout, made?: readonly string[]) {
    this.#made = parentOf(path) === "" ? made : undefined;
    this.path = path;
    this.name = nameOf(path);
    this.#layout = layout;
  }

  /**
   * Makes a group and sets its limits. Rejects with InvalidOptionError or UnsupportedError (nothing was touched), with
   * NameError if there is one, and with ControlGroupError if the kernel refuses: then all that was made is gone.
   */
  static async create(name: string, limits: GroupLimits = {}, o: CreateOptions = {}): Promise<ControlGroup> {
    return ControlGroup.#make(groupPath(name), limits, o);
  }

  static async #make(path: string, given: GroupLimits, o: CreateOptions): Promise<ControlGroup> {
    checkShape("limits", given, object);
    checkShape("options", o, createShape);
    const { rlimits, ...rest } = given;
    const limits = checkLimits(rest);
    const ulimits = parseUlimits("limits.rlimits", rlimits ?? {});
    for (const name of o.account ?? []) controllerOf(name);
    const layout = layoutFor(path);
    const home = homeOf(layout);
    if (!home) throw new UnsupportedError("control groups", whyMissing(layout, controllerOf("pids")));
    const parent = parentOf(path);
    if (parent !== "" && directoryOf(layout, parent) === undefined)
      throw new NameError(parent, `there is no control group ${nameOf(parent)} to make one in`);
    const plan = planGroups(layout, path, limits, { read: readOptional, home: true, ...o });
    await ensureDelegation(layout);
    const undo = new Undo();
    try {
      for (const g of plan.groups) {
        if (makeGroup(g, undo)) new ControlGroup(lineage(path)[0] ?? path, layout).#note({ extended: true });
        if (g.devices) await filterDevices(g.path, g.devices);
      }
      const group = new ControlGroup(
        path,
        layout,
        plan.groups.map((g) => g.path),
      );
      group.#note({ ...(ulimits.length && { rlimits: ulimits }), ...(limits.devices && { devices: limits.devices }) });
      return group;
    } catch (e) {
      undo.run();
      throw e;
    }
  }

  /** A group that is there, whoever made it. */
  static async open(name: string): Promise<ControlGroup> {
    const path = groupPath(name);
    return ControlGroup.openAt(layoutFor(path), path);
  }

  /** The same in a layout that the caller knows. @internal */
  static openAt(layout: Layout, path: string): ControlGroup {
    const name = nameOf(path);
    if (directoryOf(layout, path) === undefined) throw new NameError(name, `there is no control group ${name}`);
    return new ControlGroup(path, layout);
  }

  /** The group that a process is in; `undefined` at the top. */
  static async of(pid: number): Promise<ControlGroup | undefined> {
    const home = homeOf(findLayout());
    const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
    const line = lines.find((l) => (home?.version === "v2" ? l.startsWith("0::") : /:freezer[:,]/.test(l)));
    const path = line?.split(":").slice(2).join(":") ?? "/";
    const base = home?.version === "v2" ? home.top.slice(home.point.length) : "";
    const own = path.startsWith(`${base}/${PREFIX}`) ? path.slice(base.length) : path;
    return path === "/" ? undefined : new ControlGroup(own, layoutFor(own));
  }

  /** Groups at the top that this project made, containers' among them. */
  static async list(): Promise<ControlGroup[]> {
    const layout = findLayout();
    const points = [
      ...new Set([...(layout.v2 ? [layout.v2.point + layout.v2.base] : []), ...Object.values(layout.v1)]),
    ];
    const names = new Set(points.flatMap(subgroups).filter((n) => n.startsWith(PREFIX)));
    return [...names].sort().map((n) => new ControlGroup(`/${n}`, layout));
  }

  /** Its directory in the home hierarchy; that of another hierarchy if it has none there. */
  get directory(): string {
    const first = directoryOf(this.#layout, this.path);
    if (first === undefined) throw new NameError(this.name, `there is no control group ${this.name} any more`);
    return first;
  }

  #here(): void {
    void this.directory;
  }

  /** All its directories, in every hierarchy. */
  get directories(): readonly string[] {
    return directoriesOf(this.#layout, this.path);
  }

  /** What a process is to be born into: its directories, or those of the nearest group above. */
  birthplace(): CgroupPlan & { readonly rlimits: readonly Ulimit[] } {
    this.#here();
    const groups = hierarchies(this.#layout).flatMap((h) => {
      const path = nearest(h, this.path);
      const unified = h.version === "v2";
      return path === undefined
        ? []
        : [{ path, parents: [], prepare: [], writes: [], reads: [], unified, existing: true }];
    });
    return { groups, rlimits: this.#inherited() };
  }

  /** A group within this one. */
  create(name: string, limits: GroupLimits = {}, o: CreateOptions = {}): Promise<ControlGroup> {
    const path = groupPath(`/x/${name}`).slice(2);
    return ControlGroup.#make(this.path + path, limits, o);
  }

  children(): ControlGroup[] {
    const names = new Set(this.directories.flatMap(subgroups));
    return [...names].sort().map((n) => new ControlGroup(`${this.path}/${n}`, this.#layout));
  }

  /** Processes in it, and with `recursive` in all below. */
  processes(o: { readonly recursive?: boolean } = {}): number[] {
    return o.recursive ? processesBelow(this.directory) : processesIn(this.directory);
  }

  /** Moves processes here with all their threads. They take on the rlimits of the group. */
  async add(pids: number | readonly number[]): Promise<{ notApplied: readonly NotApplied[] }> {
    const all = typeof pids === "number" ? [pids] : pids;
    for (const pid of all)
      if (!Number.isInteger(pid) || pid <= 0) throw new InvalidOptionError("pid", pid, "a process");
    const noted = isAnythingNoted();
    const made = noted ? undefined : this.#made;
    const targets = made ? targetsAmong(this.#layout, this.path, made) : targetsOf(this.#layout, this.path);
    if (!targets.some((t) => t.directory.endsWith(this.path))) this.#here();
    try {
      for (const pid of all) await this.#move(targets, pid);
    } catch (e) {
      if (e instanceof ControlGroupError && e.errno === "ENOENT") this.#here();
      throw e;
    }
    const limits = noted ? this.#inherited() : [];
    return { notApplied: limits.length ? await setRlimits(all, limits) : [] };
  }

  /** A process of a user's session is systemd's to move: see ensureDelegation. */
  async #move(targets: readonly Target[], pid: number): Promise<void> {
    try {
      moveProcess(this.#layout, targets, pid);
    } catch (e) {
      const { scope } = this.#layout.v2 ?? {};
      if (scope?.manager !== "user" || !(e instanceof ControlGroupError && e.errno === "EACCES")) throw e;
      await attach(scope, this.path, [pid]);
    }
  }

  /** The limits in force, in base units. A controller in whose hierarchy it has no directory is not there. */
  async limits(): Promise<CheckedLimits & { readonly rlimits?: readonly Ulimit[] }> {
    const noted = notedOf(this.directory);
    const found = readLimits(
      this.#layout,
      this.path,
      allControllers().map((c) => c.name),
    );
    const { devices, ...rest } = found;
    const rules =
      filesOf(this.#layout, this.path, controllerOf("devices"))?.version === "v1" ? devices : noted?.devices;
    return { ...rest, ...(rules && { devices: rules }), ...(noted?.rlimits && { rlimits: noted.rlimits }) };
  }

  /**
   * Changes limits: either all hold afterwards, or none was changed. rlimits come last, and reach processes one by
   * one while all stand still: `notApplied` names those that did not take one.
   */
  async update(given: GroupLimits): Promise<{ notApplied: readonly NotApplied[] }> {
    checkShape("limits", given, object);
    const { rlimits, ...rest } = given;
    const limits = checkLimits(rest);
    const ulimits = rlimits && parseUlimits("limits.rlimits", rlimits);
    this.#refuseTop("update");
    this.#here();
    const { made } = await updateLimits(this.#layout, this.path, limits);
    if (limits.devices) this.#note({ devices: limits.devices });
    else if (made.length && !isContainers(this.name)) this.#note({ extended: true });
    if (!ulimits) return { notApplied: [] };
    const before = notedOf(this.directory)?.rlimits ?? [];
    const merged = [...before.filter((b) => !ulimits.some((u) => u.type === b.type)), ...ulimits];
    const members = () => setRlimits(this.processes({ recursive: true }), narrowest([this.#inherited(), ulimits]));
    this.#note({ rlimits: merged });
    if (this.processes({ recursive: true }).length === 0) return { notApplied: [] };
    notOneself(this.directory, "rlimits");
    return { notApplied: await whileFrozen(freezerOf(this.#layout, this.path), milliseconds({}), members) };
  }

  async usage(): Promise<GroupUsage> {
    this.#here();
    const there = new Set(this.directories);
    const found = Object.fromEntries(
      allControllers().flatMap((c) => {
        const files = filesOf(this.#layout, this.path, c, there) ?? this.#accounting(c.name);
        const usage = files ? c.usage(files) : {};
        return Object.keys(usage).length ? [[c.name, usage]] : [];
      }),
    ) as Usage;
    return { ...found, processes: this.processes({ recursive: true }).length, pressure: this.pressure() };
  }

  /** How many processes the kernel has killed for its memory, as far as that is limited here. @internal */
  oomKills(): number {
    const files = filesOf(this.#layout, this.path, memory, new Set(this.directories));
    return (files && memory.usage(files).oomKills) ?? 0;
  }

  /** The v2 hierarchy counts CPU time for every group, with or without a controller. */
  #accounting(controller: string) {
    const { v2 } = this.#layout;
    if (controller !== "cpu" || !v2) return undefined;
    const read = (file: string) => readOptional(`${v2.point}${v2.base}${this.path}/${file}`);
    return { version: "v2", read, home: read, other: () => undefined } as const;
  }

  pressure(): Pressures {
    return readPressures(this.directory);
  }

  /** What happens in it, as it happens: see EventOptions. Ends when the group is removed or the signal fires. */
  events(o: EventOptions = {}): AsyncGenerator<GroupEvent> {
    return watchGroup(this.#layout, this.path, o);
  }

  /** Stops all processes in it and below; resolves when the last one stands still. Nested freezes add up. */
  async freeze(o: Waiting = {}): Promise<void> {
    this.#refuseTop("freeze");
    notOneself(this.directory, "freeze");
    await freeze(freezerOf(this.#layout, this.path), milliseconds(o));
  }

  async thaw(): Promise<void> {
    thaw(freezerOf(this.#layout, this.path));
  }

  state(): FreezerState {
    return freezerState(freezerOf(this.#layout, this.path));
  }

  /** SIGKILL ends all in it and below, and is waited for. Another signal reaches all that are there at one moment. */
  async kill(signal = 9, o: Waiting = {}): Promise<void> {
    this.#refuseTop("kill");
    const freezer = findFreezer(this.#layout, this.path);
    if (signal === 9) return killAll(this.directory, freezer, milliseconds(o));
    notOneself(this.directory, "kill");
    const send = () => signalEach(this.processes({ recursive: true }), signal);
    if (freezer) await whileFrozen(freezer, milliseconds(o), send);
    else send();
  }

  /** Gives it to a user, who may make groups in it and move processes among them. */
  async delegate(owner: Owner): Promise<void> {
    this.#refuseTop("delegate");
    delegateGroup(this.#layout, this.path, owner);
  }

  /** Removes it; nothing happens if it is gone. `kill` ends what is in it before. */
  async remove(o: { readonly recursive?: boolean; readonly kill?: boolean } & Waiting = {}): Promise<void> {
    if (!isOurs(this.path))
      throw new InvalidOptionError("remove", this.path, "a group that caisson made (their names begin with caisson-)");
    if (o.kill && directoryOf(this.#layout, this.path) !== undefined) await this.kill(9, o);
    const made = isAnythingNoted() ? undefined : this.#made;
    const directories = made ?? hierarchies(this.#layout).map((h) => h.top + this.path);
    const how = { recursive: o.recursive === true, ms: milliseconds(o), made: made !== undefined };
    await removeGroup(directories, this.path, how);
  }

  /** `await using`: ends what is in it, and removes it with all below. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove({ recursive: true, kill: true });
  }

  #refuseTop(what: string): void {
    if (this.path === "" || this.path === "/") throw new InvalidOptionError(what, "/", "a group below the top");
  }

  /** Somebody's groups are made in it, in hierarchies where it has none itself: who removes it is to look into all. @internal */
  noteExtended(): void {
    if (isOurs(this.path) && !notedOf(this.directory)?.extended) this.#note({ extended: true });
  }

  #note(some: Omit<NotedGroup, "directory">): void {
    if (Object.keys(some).length === 0) return;
    noteGroup({ ...notedOf(this.directory), directory: this.directory, ...some });
  }

  /** The rlimits of the group and of those that it is in. */
  #inherited(): Ulimit[] {
    const tops = lineage(this.path).map((p) => directoryOf(this.#layout, p));
    return narrowest(tops.map((d) => (d === undefined ? [] : (notedOf(d)?.rlimits ?? []))));
  }
}
