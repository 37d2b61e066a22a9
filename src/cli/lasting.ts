import { resolve } from "node:path";
import { canBeHere } from "../compile/here.ts";
import type { ContainerOptions } from "../container/options.ts";
import { givenRoot, type Prepared } from "../container/prepare.ts";
import type { HostFacts } from "../host/facts.ts";
import { givenWords } from "../host/given.ts";
import { namesForOnce } from "../remember/environment-words.ts";
import { linksOn } from "../remember/links-on.ts";
import { GIVEN_WORDS, type Given, HASHED_WORDS, isKeeper, isUsualState } from "../remember/places.ts";
import { hasStray } from "../values/bytes.ts";
import { list, type Values } from "./option-table.ts";

/** Options whose effect follows from their words, and from what `conditions` has. Others look at more of the machine. */
const OPTIONS = new Set(
  `name label memory memory-reservation memory-swap cpus cpu-weight pids-limit cgroups env volume mount tmpfs read-only workdir user
  group-add hostname domainname add-host network cap-add cap-drop security-opt ulimit sysctl oom-score-adj rootfs timeout init interactive rm
  stop-signal stop-timeout`.split(/\s+/),
);

/** Whether mounts are where they were asked for: links in the root may lead elsewhere the next time. */
const hasOwnPlaces = ({ options, spec }: Prepared): boolean =>
  Object.keys({ ...options.volumes, ...options.tmpfs }).every((d) => spec.mounts?.some((m) => m.destination === d));

/** Whether the working directory is where whoever gives the words is. */
export const isWhereGiven = (o: ContainerOptions): boolean => o.workdir === undefined && o.rootfs === undefined;

/** How a program for these words is kept, if one can be: for any directory where they mean the same in all of them. */
export function givenAs(words: readonly string[], v: Values, o: ContainerOptions, cwd: string): Given | undefined {
  const names = namesForOnce(words, list(v, "env"));
  const sources = Object.values(o.volumes ?? {}).map((v) => (typeof v === "string" ? v : v.source));
  if (![...sources, givenRoot(o) ?? "/"].every((path) => path.startsWith("/"))) return { cwd, words, names };
  return isWhereGiven(o) && !canBeHere(cwd) ? undefined : { cwd: undefined, words, names };
}

/** Root's, where its programs are kept, and with no option but these, none of which takes more than its words. */
export const isOfWords = (v: Values, facts: HostFacts, options: ReadonlySet<string>): boolean =>
  isKeeper(facts) &&
  !facts.powerless &&
  isUsualState() &&
  Object.keys(v).every((name) => options.has(name)) &&
  list(v, "env").every((e) => e.includes("="));

/** Whether the same words would give the same program again, were the machine the same. */
export function isLasting(v: Values, p: Prepared): boolean {
  const { job, facts } = p;
  return (
    isOfWords(v, facts, OPTIONS) &&
    !list(v, "security-opt").some((s) => /^seccomp[=:](?!unconfined$|default$)/.test(s)) &&
    (v["network"] === undefined || v["network"] === "none" || v["network"] === "host") &&
    v["cgroups"] !== "delegate" &&
    p.notApplied.length === 0 &&
    hasOwnPlaces(p) &&
    linksOn(resolve(givenRoot(p.options) ?? "/")) !== undefined &&
    job.claims === undefined
  );
}

/** The words that this process was executed with, up to the command: what is kept is of use for other commands too. */
export function optionsBefore(command: readonly string[]): readonly string[] | undefined {
  const words = givenWords();
  // They are handed on by execve(2), to which runtimes give text.
  if (words.some(hasStray)) return undefined;
  const count = words.length - command.length;
  const are = count <= HASHED_WORDS && command.every((word, i) => word === words[count + i]);
  return are && command.length <= GIVEN_WORDS ? words.slice(0, count) : undefined;
}
