/**
 * bundle.ts MODULES OUT EXECUTORS: makes of the compiled modules what the package has. Node takes half a millisecond for each file that it
 * imports, and there are hundreds.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type BunPlugin, Glob } from "bun";

const [modules = "", out = "", executors = "{}"] = process.argv.slice(2);
const at = resolve(modules);

/** What is loaded when it is needed. */
const later = new Set(
  [...new Glob("**/*.js").scanSync(at)].flatMap((file) => {
    const text = readFileSync(join(at, file), "utf8");
    return [...text.matchAll(/\bimport\("(\.[^"]+)"\)/g)].map((m) => resolve(at, dirname(file), m[1] ?? ""));
  }),
);

/**
 * Parts that are loaded later import what the entry does, which is there by then: so all that it needs itself is needed by everything, and
 * is one file. Otherwise what each set of parts has in common is a file of its own.
 */
function together(entry: string): BunPlugin {
  const needed = [...readFileSync(join(at, entry), "utf8").matchAll(/ from "(\.[^"]+)";/g)];
  const imports = needed.map((m) => `import ${JSON.stringify(resolve(at, m[1] ?? ""))};`).join("\n");
  return {
    name: "together",
    setup: (build) =>
      void build.onLoad({ filter: /\.js$/ }, ({ path }) =>
        later.has(path) ? { loader: "js", contents: `${imports}\n${readFileSync(path, "utf8")}` } : undefined,
      ),
  };
}

/**
 * What an entry exports is called otherwise in the file that has it: CaissonError2. Who prints an error, or looks at a stack, is to read
 * the name that they know: it is free, unless something else at the top of a file has it.
 */
function withOwnNames(entry: string, texts: readonly string[]): string[] {
  const exported = [...readFileSync(join(at, entry), "utf8").matchAll(/export \{([^}]*)\}/g)];
  const names = exported.flatMap((m) => (m[1] ?? "").split(",").map((n) => n.trim().split(" ")[0] ?? ""));
  const isTaken = (n: string) =>
    texts.some((t) => new RegExp(`^(class|function|async function|const|let|var) ${n}\\b`, "m").test(t));
  const free = names.filter((n) => n !== "" && !isTaken(n));
  const renamed = new RegExp(`\\b(${free.join("|")})2\\b`, "g");
  const plain = new RegExp(`\\b(${free.join("|")}) as \\1\\b`, "g");
  return texts.map((t) => t.replaceAll(renamed, "$1").replaceAll(plain, "$1"));
}

async function bundle(entries: readonly string[], chunks: string, plugins: BunPlugin[]): Promise<string[]> {
  const { outputs } = await Bun.build({
    entrypoints: entries.map((e) => join(at, e)),
    root: at,
    outdir: out,
    target: "node",
    splitting: true,
    packages: "external",
    // Beside dist/bin and dist/native, as the modules are (src/host/own-words.ts, src/program/executor.ts).
    naming: { entry: "[dir]/[name].[ext]", chunk: `${chunks}/[name]-[hash].[ext]` },
    define: { CAISSON_EXECUTORS: executors },
    plugins,
  });
  return outputs.map((o) => o.path);
}

const library = await bundle(["index.js"], "library", [together("index.js")]);
const named = withOwnNames(
  "index.js",
  library.map((path) => readFileSync(path, "utf8")),
);
for (const [i, path] of library.entries()) writeFileSync(path, named[i] ?? "");
await bundle(["bin/caisson.js", "bin/caisson-oci.js"], "command", []);
