import { errno } from "../kernel/errno.ts";
import type { Program, Step } from "./types.ts";

/** The same program, but one step fails with this errno: how tests make each step of a start fail in turn. */
export function inject(program: Program, section: number, step: number, name: string): Program {
  const fail = (s: Step): Step => ({ op: "fail", label: s.label, errno: errno(name) });
  return {
    ...program,
    sections: program.sections.map((sec, i) =>
      i === section ? { ...sec, steps: sec.steps.map((s, k) => (k === step ? fail(s) : s)) } : sec,
    ),
  };
}
