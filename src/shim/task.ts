import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { signalEach } from "../cgroups/kill.ts";
import { type OomWatch, watchOom } from "../cgroups/oom.ts";
import { hostFacts } from "../host/facts.ts";
import { put } from "../host/output.ts";
import { ensureDirectory } from "../host/places.ts";
import { parseJson, parseProcess, parseResources } from "../oci/config.ts";
import type { Global } from "../oci/context.ts";
import { pause, resume, updateResources } from "../oci/control.ts";
import { type Kept, prepareCreate } from "../oci/create.ts";
import { remove } from "../oci/delete.ts";
import { prepareExec } from "../oci/exec.ts";
import { engineLayout } from "../oci/groups.ts";
import { kill, killContainer, processesOf } from "../oci/kill.ts";
import { warn } from "../oci/log.ts";
import { start } from "../oci/start.ts";
import { type Container, load } from "../oci/state.ts";
import type { Publisher } from "./events.ts";
import { globalOf } from "./global.ts";
import { metricsOf } from "./metrics.ts";
import { optionsOf } from "./options.ts";
import { runtimeRoot, TASK_FILE } from "./places.ts";
import { type Exit, exitedAt, KeptProcess } from "./process.ts";
import { type Options, OptionsSchema } from "./protocol/options_pb.ts";
import type { CheckpointRequest, CreateRequest, ExecRequest } from "./protocol/task_pb.ts";
import { mountRoot, unmountRoot } from "./rootfs.ts";
import { StatusError } from "./ttrpc/status.ts";

export type Owner = { readonly namespace: string; readonly publisher: Publisher };
type Exec = { readonly process: KeptProcess; readonly spec: string };
export type TaskStatus = "created" | "running" | "stopped" | "paused";

const text = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

/** A container as containerd knows it: its first process, others in it, and what happens to them. */
export class Task {
  readonly id: string;
  readonly bundle: string;
  readonly init: KeptProcess;
  readonly #g: Global;
  readonly #by: Owner;
  readonly #execs = new Map<string, Exec>();
  #oom: OomWatch | undefined;
  /** What changes it happens one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #paused = false;
  #deleted = false;
  /** The directory of what it is made of when it is started; "": it is there already. */
  #checkpoint: string;
  readonly #over = (exit: Exit) => this.#ended(this.id, this.init, exit);

  private constructor(r: CreateRequest, by: Owner, g: Global, checkpoint: string) {
    this.id = r.id;
    this.bundle = r.bundle;
    this.init = new KeptProcess(r);
    this.#by = by;
    this.#g = g;
    this.#checkpoint = checkpoint;
  }

  static async create(r: CreateRequest, by: Owner): Promise<Task> {
    const checkpoint = r.checkpoint && (await import("./restore.ts")).checkpointOf(r);
    const o = optionsOf(r.options, OptionsSchema);
    const g = globalOf(o?.root ? join(o.root, by.namespace) : runtimeRoot(by.namespace), o, r.bundle);
    const task = new Task(r, by, g, checkpoint);
    ensureDirectory(g.root);
    writeFileSync(join(r.bundle, TASK_FILE), JSON.stringify({ root: g.root, systemd: g.systemd }), { mode: 0o600 });
    const rootfs = join(r.bundle, "rootfs");
    await mountRoot(r.rootfs, rootfs);
    try {
      if (!task.#checkpoint) await task.#born(o);
    } catch (e) {
      await unmountRoot(rootfs);
      throw e;
    }
    const { stdin, stdout, stderr, terminal } = r;
    by.publisher.publish("/tasks/create", {
      containerId: r.id,
      bundle: r.bundle,
      rootfs: r.rootfs.map(({ type, source, target, options }) => ({ type, source, target, options })),
      io: { stdin, stdout, stderr, terminal },
      pid: task.init.pid,
    });
    return task;
  }

  async #born(o: Options | undefined): Promise<void> {
    const given = {
      ...{ bundle: this.bundle, config: undefined, pidFile: undefined, consoleSocket: undefined, preserve: 0 },
      ...({ mode: "kept", keep: true, subreaper: false } as const),
      noPivot: o?.noPivotRoot === true,
      noNewKeyring: o?.noNewKeyring === true,
    };
    const born = (more: { first?: number }) => {
      const prepare = async (kept: Kept) =>
        (await prepareCreate(this.#g, this.id, { ...given, ...more, kept })).program;
      return this.init.keep(this.#whose(), prepare, this.#over);
    };
    if (this.#g.systemd) await (await import("../oci/systemd.ts")).whileHeld((first) => born({ first }));
    else await born({});
    await this.#watchOom();
  }

  async #restored(): Promise<void> {
    const { restoreTask } = await import("./restore.ts");
    await this.init.live(this.#whose(), this.#over, (streams) => restoreTask(this.#g, this, this.#checkpoint, streams));
    this.#checkpoint = "";
    await this.#watchOom();
  }

  #whose() {
    return { id: this.id, namespace: this.#by.namespace, bundle: this.bundle };
  }

  #load(): Container {
    return load(this.#g.root, this.id);
  }

  /** In its turn: a start that is being told of is told of first. */
  #ended(id: string, process: KeptProcess, exit: Exit): void {
    const tell = async () => {
      if (process === this.init) {
        this.#oom?.look();
        this.#oom?.stop();
        // Others that share a PID namespace with the host do not end with it.
        await killContainer(this.#load()).catch((e: Error) => put(2, `${this.id}: ${e.message}\n`));
      }
      const event = { containerId: this.id, id, pid: process.pid, exitStatus: exit.status };
      this.#by.publisher.publish("/tasks/exit", { ...event, exitedAt: exitedAt(exit) });
    };
    void this.#next(tell);
  }

  async #watchOom(): Promise<void> {
    const told = () => this.#by.publisher.publish("/tasks/oom", { containerId: this.id });
    try {
      this.#oom = await watchOom(engineLayout(hostFacts()), this.#load().saved.cgroup.path, told);
    } catch (e) {
      // It lives all the same.
      put(2, `${this.id}: out of memory will not be told of: ${(e as Error).message}\n`);
    }
    if (this.init.exit) this.#oom?.stop();
  }

  #next<T>(what: () => Promise<T> | T): Promise<T> {
    const done = this.#turn.then(what);
    this.#turn = done.catch(() => {});
    return done;
  }

  process(execId: string): KeptProcess {
    if (execId === "") return this.init;
    const found = this.#execs.get(execId);
    if (!found) throw new StatusError("notFound", `${this.id}: there is no process ${execId}`);
    return found.process;
  }

  status(execId: string): TaskStatus {
    const p = this.process(execId);
    if (p.exit) return "stopped";
    if (!p.started) return "created";
    return this.#paused && p === this.init ? "paused" : "running";
  }

  exec(r: ExecRequest): void {
    if (this.#execs.has(r.execId)) throw new StatusError("alreadyExists", `${this.id}: process ${r.execId}`);
    this.#execs.set(r.execId, { process: new KeptProcess(r), spec: text(r.spec?.value ?? new Uint8Array()) });
    this.#by.publisher.publish("/tasks/exec-added", { containerId: this.id, execId: r.execId });
  }

  start(execId: string): Promise<number> {
    return this.#next(() => (execId === "" ? this.#startInit() : this.#startExec(execId)));
  }

  async #startInit(): Promise<number> {
    if (this.init.exit) throw new StatusError("failedPrecondition", `${this.id}: it has ended`);
    if (this.#checkpoint) await this.#restored();
    else await start(this.#g, this.id);
    this.init.begun();
    this.#by.publisher.publish("/tasks/start", { containerId: this.id, pid: this.init.pid });
    return this.init.pid;
  }

  async #startExec(execId: string): Promise<number> {
    const exec = this.#execs.get(execId);
    if (!exec) throw new StatusError("notFound", `${this.id}: there is no process ${execId}`);
    if (this.init.exit) throw new StatusError("failedPrecondition", `${this.id}: it has ended`);
    const { terminal } = exec.process.io;
    const given = parseProcess(parseJson(exec.spec, "process"), (message) => warn(this.#g.log, message));
    const process = { ...given, terminal };
    const how = {
      ...{ pidFile: undefined, consoleSocket: undefined, preserve: 0 },
      ...{ detach: true, cgroup: [], ignorePaused: false },
    };
    await exec.process.keep(
      { ...this.#whose(), id: execId },
      async (kept) => (await prepareExec(this.#g, this.#load(), process, how, kept)).program,
      (exit) => this.#ended(execId, exec.process, exit),
    );
    exec.process.begun();
    const { pid } = exec.process;
    this.#by.publisher.publish("/tasks/exec-started", { containerId: this.id, execId, pid });
    return pid;
  }

  /** At any time: also while it is being started. */
  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    const p = this.process(execId);
    if (p.exit || p.pid === 0) throw new StatusError("notFound", `${execId || this.id}: process already finished`);
    if (execId === "") await kill(this.#g, this.id, String(signal), all);
    else signalEach([p.pid], signal);
  }

  pause(): Promise<void> {
    return this.#next(async () => {
      await pause(this.#g, this.id);
      this.#paused = true;
      this.#by.publisher.publish("/tasks/paused", { containerId: this.id });
    });
  }

  resume(): Promise<void> {
    return this.#next(() => {
      resume(this.#g, this.id);
      this.#paused = false;
      this.#by.publisher.publish("/tasks/resumed", { containerId: this.id });
    });
  }

  checkpoint(r: CheckpointRequest): Promise<void> {
    return this.#next(async () => {
      const status = this.status("");
      if (status !== "running" && status !== "paused")
        throw new StatusError("failedPrecondition", `${this.id}: it is ${status}`);
      const { checkpointTask } = await import("./checkpoint.ts");
      await checkpointTask(this.#g, this, r);
      this.#by.publisher.publish("/tasks/checkpointed", { containerId: this.id, checkpoint: r.path });
    });
  }

  update(resources: Uint8Array): Promise<void> {
    return this.#next(() => updateResources(this.#load(), parseResources(parseJson(text(resources), "resources"))));
  }

  /** Process by process; those that were started in it by name. */
  pids(): { pid: number; execId: string | undefined }[] {
    const names = new Map([...this.#execs].map(([id, e]) => [e.process.pid, id]));
    return processesOf(this.#load()).map((pid) => ({ pid, execId: names.get(pid) }));
  }

  stats(): ReturnType<typeof metricsOf> {
    return metricsOf(this.#load().saved.cgroup.path);
  }

  /** Resolves with what it was. The container's own is the end of all of it. */
  delete(execId: string): Promise<KeptProcess> {
    return this.#next(async () => {
      // What has its id by now is another's.
      if (this.#deleted) throw new StatusError("notFound", `task ${this.id}: not found`);
      const p = this.process(execId);
      if (this.status(execId) === "running" || this.status(execId) === "paused")
        throw new StatusError("failedPrecondition", `${execId || this.id}: it is running`);
      if (execId !== "") {
        this.#execs.delete(execId);
        return p;
      }
      if (this.#checkpoint) this.init.giveUp();
      else await remove(this.#g, this.id, true);
      await unmountRoot(join(this.bundle, "rootfs"));
      this.#deleted = true;
      const exit = p.exit ?? (await p.exited);
      const event = { containerId: this.id, pid: p.pid, exitStatus: exit.status, exitedAt: exitedAt(exit) };
      this.#by.publisher.publish("/tasks/delete", event);
      return p;
    });
  }
}
