import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { argument, type Loose, toValue } from "../program/values.ts";

/** What was said on the command line, where it is one of the small commands said in the usual way. */
export type Said = {
  /** 0: none of them; the engine reads the command line itself. */
  readonly verb: Slot;
  readonly root: Slot;
  readonly id: Slot;
  readonly next: Slot;
  readonly after: Slot;
};

export const VERBS = { start: 1, state: 2, kill: 3, delete: 4, "delete --force": 5, pause: 6, resume: 7 } as const;

/** How far the options before the command are followed. Engines give four at most. */
const WORDS = 16;
/** Options before the command, and how many words each has. What is said of them in other ways the engine understands. */
const options = { "--root": 2, "--log": 2, "--log-format": 2, "--debug": 1, "--systemd-cgroup": 1 } as const;
const DONE = 1000;

/** Whether a word is a text; both are addresses. */
export const ifSame = (s: SectionBuilder, word: Loose, text: string, body: () => void): void =>
  s.skipIf(word, "other", toValue(text), body);

/** Reads the words one by one; `at` is the one that is next. */
export function readWords(s: SectionBuilder, root: string): Said {
  const slot = (name: string) => s.program.slot(name);
  const said = {
    ...{ verb: slot("verb"), root: slot("root"), id: slot("id") },
    ...{ next: slot("word after the id"), after: slot("word after that") },
  };
  const at = slot("place of the next word");
  s.let(at, 1);
  s.let(said.verb, 0);
  s.let(said.root, root);
  for (let i = 1; i < WORDS; i++)
    s.skipIf(at, "!=", i, () => {
      for (const [option, words] of Object.entries(options))
        ifSame(s, argument(i), option, () => {
          if (option === "--root") s.let(said.root, argument(i + 1));
          s.let(at, i + words);
        });
      const found = (verb: number, id: number) => {
        s.let(said.verb, verb);
        s.let(said.id, argument(id));
        s.let(said.next, argument(id + 1));
        s.let(said.after, argument(id + 2));
        s.let(at, DONE);
      };
      for (const verb of ["start", "state", "kill", "delete", "pause", "resume"] as const)
        ifSame(s, argument(i), verb, () => found(VERBS[verb], i + 1));
      for (const force of ["--force", "-f"])
        s.skipIf(said.verb, "!=", VERBS.delete, () =>
          s.skipIf(at, "!=", DONE, () =>
            ifSame(s, argument(i), "delete", () =>
              ifSame(s, argument(i + 1), force, () => found(VERBS["delete --force"], i + 2)),
            ),
          ),
        );
    });
  return said;
}
