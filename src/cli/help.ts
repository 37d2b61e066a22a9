import type { OptionTable } from "./option-table.ts";

export type Command = {
  readonly words: string;
  readonly summary: string;
  readonly details?: string;
  readonly options: OptionTable;
  readonly perform: (
    values: { [name: string]: string | boolean | (string | boolean)[] | undefined },
    rest: readonly string[],
  ) => number | Promise<number>;
  /** How many words before the command of the container are this command's own. */
  readonly own: "all" | number;
};

function optionLines(table: OptionTable): string[] {
  const rows = Object.entries(table).map(([name, r]) => [
    `${r.short ? `-${r.short}, ` : "    "}--${name}${r.value ? ` ${r.value}` : ""}`,
    r.help,
  ]);
  const width = Math.max(0, ...rows.map(([left = ""]) => left.length));
  return rows.map(([left = "", right]) => `  ${left.padEnd(width)}  ${right}`);
}

export function commandHelp(name: string, c: Command): string {
  const options = optionLines(c.options);
  return [
    `caisson ${name} ${c.words}`,
    "",
    c.summary,
    ...(c.details ? ["", c.details] : []),
    ...(options.length ? ["", "Options:", ...options] : []),
  ].join("\n");
}

/** All commands, or those of a family. */
export function overview(commands: Readonly<Record<string, Command>>, family?: string): string {
  const names = Object.entries(commands).filter(([n]) => family === undefined || n.startsWith(`${family} `));
  const width = Math.max(...names.map(([n]) => n.length));
  return [
    "caisson: containers, with no daemon and nothing to download",
    "",
    "  caisson run -- make test            on a copy-on-write view of this machine",
    "  caisson explain -- make test        the system calls that this would make",
    "",
    "Commands (caisson COMMAND --help tells more):",
    ...names.map(([n, c]) => `  ${n.padEnd(width)}  ${c.summary}`),
  ].join("\n");
}

export function completion(shell: string, commands: Readonly<Record<string, Command>>): string {
  const names = [...new Set(Object.keys(commands).map((n) => n.split(" ")[0] as string))];
  const families = names.filter((n) => Object.keys(commands).some((c) => c.startsWith(`${n} `)));
  const cases = Object.keys(commands).map(
    (n) =>
      `    ${n.includes(" ") ? `"${n}"` : `"${n} "*`}) words="${Object.keys(commands[n]?.options ?? {})
        .map((o) => `--${o}`)
        .join(" ")} --help" ;;`,
  );
  const bash = [
    "_caisson() {",
    '  local words="" current="${COMP_WORDS[COMP_CWORD]}"',
    `  if [ "$COMP_CWORD" -eq 1 ]; then words="${names.join(" ")}"`,
    ...families.map((f) => {
      const members = Object.keys(commands).flatMap((c) => (c.startsWith(`${f} `) ? [c.slice(f.length + 1)] : []));
      return `  elif [ "$COMP_CWORD" -eq 2 ] && [ "\${COMP_WORDS[1]}" = ${f} ]; then words="${members.join(" ")}"`;
    }),
    '  else case "${COMP_WORDS[1]} ${COMP_WORDS[2]}" in',
    ...cases,
    "  esac; fi",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _caisson caisson",
  ].join("\n");
  return shell === "zsh" ? `autoload -U +X bashcompinit && bashcompinit\n${bash}` : bash;
}
