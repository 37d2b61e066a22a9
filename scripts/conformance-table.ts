/** Writes docs/conformance.md: the suite against each runtime that is installed, in numbers, and what each fails. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = join(import.meta.dirname, "..");
const runtimes = { "caisson-oci": join(here, "dist/caisson-oci"), runc: "/usr/sbin/runc", crun: "/usr/bin/crun" };
const out = mkdtempSync(join(tmpdir(), "conformance-"));

type Row = { readonly section: string; readonly name: string; readonly passed: boolean };

function results(name: string, path: string): Row[] {
  const file = join(out, `${name}.xml`);
  const words = [
    "node_modules/.bin/bun",
    "test",
    "--timeout",
    "30000",
    "--reporter=junit",
    `--reporter-outfile=${file}`,
  ];
  spawnSync("bash", ["test/conformance/as-crun-likes.sh", ...words, "./test/conformance"], {
    cwd: here,
    env: { ...process.env, CONFORMANCE_RUNTIME: path },
    stdio: "inherit",
  });
  const text = readFileSync(file, "utf8");
  const decode = (t: string) =>
    t
      .replaceAll("&gt;", ">")
      .replaceAll("&lt;", "<")
      .replaceAll("&quot;", '"')
      .replaceAll("&apos;", "'")
      .replaceAll("&amp;", "&");
  return [...text.matchAll(/<testcase name="([^"]*)" classname="([^"]*)"[^>]*?(\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, test = "", section = "", , body = ""]) => ({
      section: decode(section),
      name: decode(test),
      passed: !body.includes("<failure"),
    }),
  );
}

const version = (path: string) =>
  spawnSync(path, ["--version"], { encoding: "utf8" }).stdout.split("\n")[0]?.split(" ").at(-1);
const found = Object.entries(runtimes).filter(([, path]) => existsSync(path));
const all = new Map(found.map(([name, path]) => [name, results(name, path)] as const));
const sections = [...new Set(all.get("caisson-oci")?.map((r) => r.section))];
const names = found.map(([name]) => name);
const count = (name: string, section: string) => {
  const rows = all.get(name)?.filter((r) => r.section === section) ?? [];
  return `${rows.filter((r) => r.passed).length} of ${rows.length}`;
};
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0))) ?? [];
  const line = (cells: readonly string[], by = " ") =>
    `| ${widths.map((w, i) => (cells[i] ?? "").padEnd(w, by)).join(" | ")} |`;
  return rows.flatMap((r, i) => (i === 0 ? [line(r), line([], "-")] : [line(r)]));
}
const lines = [
  "# Conformance",
  "",
  "`npm run conformance -- --runtime /usr/sbin/runc` examines any runtime that has runc's command line. The tests are our own",
  "(`test/conformance`), written by the text of the OCI runtime specification; each names the document and the section that it is",
  "of. This page is written by `scripts/conformance-table.ts`; the runtimes beside ours are those of Debian 12, which are older",
  "than some of what is asked for.",
  "",
  ...table([
    ["section", ...found.map(([name, path]) => `${name} ${version(path)}`)],
    ...sections.map((s) => [s, ...names.map((n) => count(n, s))]),
  ]),
  "",
];
for (const name of names) {
  const failed = all.get(name)?.filter((r) => !r.passed) ?? [];
  lines.push(
    `## What ${name} fails`,
    "",
    ...(failed.length ? failed.map((r) => `- ${r.section}: ${r.name}`) : ["Nothing."]),
    "",
  );
}
lines.push(...readFileSync(join(here, "scripts/other-suites.md"), "utf8").trimEnd().split("\n"));
writeFileSync(join(here, "docs/conformance.md"), `${lines.join("\n").trimEnd()}\n`);
