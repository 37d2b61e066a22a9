import type { Program, Slot, Step, Value } from "./types.ts";

const slotText = (s: Slot) => `<${s.name}>`;
const quote = (text: string) => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);

function valueText(v: Value): string {
  if (typeof v === "number" || typeof v === "bigint")
    return typeof v === "number" && v > 9 && v < 2 ** 32 ? `0x${v.toString(16)}` : String(v);
  switch (v.kind) {
    case "slot":
      return `${slotText(v.slot)}${v.half ? `.${v.half}` : ""}`;
    case "text":
      return quote(v.text);
    case "argument":
      return `argv[${v.index}]`;
    case "arguments":
      return `&argv[${v.index}]`;
    case "environment":
      return `environ[${v.index}]`;
    case "address":
      return `&${slotText(v.slot)}`;
    case "block":
      return blockText(v);
  }
}

/** Texts of files are shown; structs by their name and size. */
function blockText({
  block,
  offset,
}: {
  block: { name: string; bytes: Uint8Array; pointers: readonly unknown[] };
  offset: number;
}): string {
  if (block.name === "text") return quote(new TextDecoder().decode(block.bytes));
  if (block.name === "argv") {
    const words = block.pointers as readonly { to: Value }[];
    return `[${words.map((p) => valueText(p.to)).join(", ")}]`;
  }
  return `{${block.name}${offset ? `+${offset}` : ""}: ${block.bytes.length} bytes}`;
}

/** One step as a line, close to what strace(1) shows of it. */
function stepText(step: Step, program: Program): string {
  switch (step.op) {
    case "call":
      return `${step.call}(${step.args.map(valueText).join(", ")})${step.result ? ` = ${slotText(step.result)}` : ""}`;
    case "spawn":
      return `clone3({${step.args.name}}) = ${slotText(step.result)}, which performs "${program.sections[step.section]?.name}"`;
    case "jump":
      return `if ${valueText(step.a)} ${step.if} ${valueText(step.b)}, skip ${step.over}`;
    case "format":
      return `write ${valueText(step.value)} in decimal into {${step.block.name}} at ${step.at}`;
    case "date":
      return `write ${valueText(step.value)} as a date into {${step.block.name}} at ${step.at}`;
    case "store":
      return `store ${valueText(step.value)} into {${step.block.name}} at ${step.at}`;
    case "copy":
      return `copy ${valueText(step.text)} into {${step.block.name}} at ${step.at}, ${step.most} bytes at most${
        step.until ? `, up to ${quote(String.fromCharCode(step.until))}` : ""
      }`;
    case "check":
      return "fail if another process failed";
    case "let":
      return `${slotText(step.result)} = ${valueText(step.value)}${step.plus ? ` + ${valueText(step.plus)}` : ""}`;
    case "hash":
      return `${slotText(step.result)} = hash of ${valueText(step.from)} and ${valueText(step.text)}${
        step.others === undefined ? "" : `, without ${step.least} or more of ${valueText(step.others)}`
      }`;
    case "fail":
      return `fail with errno ${valueText(step.errno)}${step.plus ? ` + ${valueText(step.plus)}` : ""}`;
    case "supervise":
      return [
        `supervise ${valueText(step.child)}`,
        ...(step.timeout >= 0 ? [`for ${step.timeout} ms at most`] : []),
        ...(step.status ? ["ended by signals that it does not heed"] : []),
      ].join(", ");
    case "serve":
      return `serve ${valueText(step.from)}`;
    case "exit":
      return `exit_group(${valueText(step.code)})`;
  }
}

const policyText = (step: Step): string => {
  if (!("ignore" in step) || !step.ignore) return "";
  return step.ignore === "all" ? "  [may fail]" : `  [may fail: ${step.ignore.join(", ")}]`;
};

/** The exact system calls in order, section by section, each with what it is for. */
export function explainText(program: Program): string {
  return program.sections
    .map((section, i) => {
      const head = `${i}. ${section.name}${section.onFail === undefined ? "" : ` (after a failure: ${section.onFail})`}`;
      const lines = section.steps.map(
        (s, k) =>
          `  ${String(k).padStart(3)}  ${stepText(s, program)}${policyText(s)}${s.label ? `\n       # ${s.label}` : ""}`,
      );
      return [head, ...lines].join("\n");
    })
    .join("\n\n");
}

/** The same as data, for programs. */
export const explainData = (program: Program) =>
  program.sections.map((section) => ({
    name: section.name,
    onFail: section.onFail,
    steps: section.steps.map((s) => ({
      op: s.op,
      label: s.label,
      text: stepText(s, program),
      ...("ignore" in s && s.ignore ? { ignore: s.ignore } : {}),
    })),
  }));
