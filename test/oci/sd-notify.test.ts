import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Bundle, type Change, linux, mounting } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

/** Perl, since no JavaScript runtime has datagram sockets of the file system. */
const receive = `use Socket; $| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0) or die; bind(S, pack_sockaddr_un($ARGV[0])) or die;
print "listening\\n"; while (defined recv(S, $m, 4096, 0)) { $m =~ s/\\n/|/g; print "$m\\n" }`;
const send = `use Socket; my $to = pack_sockaddr_un($ENV{NOTIFY_SOCKET}); socket(S, AF_UNIX, SOCK_DGRAM, 0) or die;
for (@ARGV) { s/\\|/\\n/g; send(S, $_, 0, $to) or die "send: $!" }`;

/** A service manager that writes down what it is told. */
class Manager {
  readonly at = mkdtempSync("/tmp/caisson-notify-");
  readonly socket = join(this.at, "manager");
  readonly #log = join(this.at, "log");
  readonly #process = Bun.spawn(["perl", "-e", receive, this.socket], {
    stdout: Bun.file(this.#log),
    stderr: "inherit",
  });

  async heard(count: number): Promise<string[]> {
    for (let i = 0; i < 200; i++) {
      const [, ...lines] = existsSync(this.#log) ? readFileSync(this.#log, "utf8").split("\n").slice(0, -1) : [];
      if (lines.length >= count) return lines;
      await Bun.sleep(20);
    }
    throw new Error(`it did not hear ${count} messages: ${readFileSync(this.#log, "utf8")}`);
  }
  async ready(): Promise<this> {
    for (let i = 0; i < 200 && !existsSync(this.socket); i++) await Bun.sleep(10);
    return this;
  }
  [Symbol.dispose](): void {
    this.#process.kill("SIGKILL");
    rmSync(this.at, { recursive: true, force: true });
  }
}

/** A bundle with the host's perl, that sends these messages and then does something else. */
function sending(messages: readonly string[], then: string, change: Change = (s) => s): Bundle {
  const host = ["usr"].map((d) => ({ destination: `/${d}`, type: "bind", source: `/${d}`, options: ["rbind", "ro"] }));
  const words = messages.map((m) => `'${m}'`).join(" ");
  const b = new Bundle(["sh", "-c", `/usr/bin/perl -e '${send.replaceAll("'", "'\\''")}' ${words} && ${then}`], (s) =>
    change(mounting(...host)(s) as typeof s),
  );
  mkdirSync(join(b.root, "usr"));
  for (const d of ["lib", "lib64"]) symlinkSync(`usr/${d}`, join(b.root, d));
  return b;
}

describe.skipIf(!isRoot)("NOTIFY_SOCKET: the container's readiness is the service's", () => {
  let manager: Manager;
  beforeAll(async () => {
    manager = await new Manager().ready();
  });
  afterAll(() => manager[Symbol.dispose]());
  let told = 0;
  const call = (b: Bundle, ...words: string[]) => {
    const [out, err] = ["out", "err"].map((n) => join(b.at, n));
    const line = `exec "$@" >>${out} 2>>${err} </dev/null`;
    const p = spawnSync("sh", ["-c", line, "sh", ...b.words(...words)], {
      cwd: b.at,
      env: { ...process.env, NOTIFY_SOCKET: manager.socket },
      timeout: 20_000,
    });
    return { code: p.status, ...b.written() };
  };
  const next = async (count: number) => {
    const lines = await manager.heard(told + count);
    const fresh = lines.slice(told);
    told = lines.length;
    return fresh;
  };

  test("run: told once, and of nothing else", async () => {
    using b = sending(
      ["STATUS=busy", "NOT READY=1", "STATUS=fine|READY=1", ...Array(30).fill("READY=1")],
      "echo $NOTIFY_SOCKET; sleep 0.3",
    );
    expect(call(b, "run", b.id)).toEqual({ code: 0, out: `${manager.socket}/notify\n`, err: "" });
    expect(await next(1)).toEqual(["READY=1|"]);
    expect(existsSync(join(b.state, b.id))).toBe(false);
  });
  test("run --detach, and start: they wait for it, and name the main process", async () => {
    using b = sending(["READY=1"], "sleep 1000");
    expect(call(b, "run", "--detach", b.id)).toEqual({ code: 0, out: "", err: "" });
    expect(await next(1)).toEqual([`READY=1|MAINPID=${b.state_().pid}`]);
    using c = sending(["STATUS=soon|READY=1"], "sleep 1000");
    expect(call(c, "create", c.id)).toEqual({ code: 0, out: "", err: "" });
    expect(call(c, "start", c.id)).toEqual({ code: 0, out: "", err: "" });
    expect(await next(1)).toEqual([`READY=1|MAINPID=${c.state_().pid}`]);
    expect(call(c, "delete", "--force", c.id).code).toBe(0);
    expect(existsSync(join(c.state, c.id))).toBe(false);
  });
  test("with ids of its own", async () => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65536 }];
    const own: Change = (s) =>
      linux({ namespaces: [...(s.linux?.namespaces ?? []), { type: "user" }], uidMappings: maps, gidMappings: maps })(
        s,
      );
    using b = sending(["READY=1"], "true", own);
    expect(call(b, "run", b.id)).toEqual({ code: 0, out: "", err: "" });
    expect(await next(1)).toEqual(["READY=1|"]);
  });
  test("one that ends without a word keeps nobody waiting, nor does a manager that is gone", async () => {
    using b = new Bundle(["true"]);
    expect(call(b, "run", "--detach", b.id)).toEqual({ code: 0, out: "", err: "" });
    using c = new Bundle(["sh", "-c", "ls $NOTIFY_SOCKET"]);
    const gone = { ...process.env, NOTIFY_SOCKET: "/run/nobody/is/here" };
    const p = spawnSync(b.words()[0] ?? "", c.words("run", "--bundle", c.at, c.id).slice(1), {
      env: gone,
      encoding: "utf8",
    });
    expect([p.status, p.stdout, p.stderr]).toEqual([0, "/run/nobody/is/here/notify\n", ""]);
    expect(await manager.heard(told)).toHaveLength(told);
  });
});
