/** signal(7): numbers of x86-64 and arm64. */
const names =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS".split(
    " ",
  );

/** The supervisor takes this one (SIGRTMAX) as: kill the container, then clean up. */
export const KILL_EVERYTHING = 64;

/** What a command that stands for a container passes on to it. */
export const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;

export type SignalName = `SIG${string}`;

export function signalName(n: number): SignalName {
  const name = names[n - 1];
  if (name) return `SIG${name}`;
  if (n >= 34 && n <= 64) return n === 34 ? "SIGRTMIN" : `SIGRTMIN+${n - 34}`;
  return `SIG${n}`;
}

/** "TERM", "SIGTERM", "term", "15" or 15, as kill(1) has them. Undefined where there is no such signal. */
export function signalNumber(signal: string | number): number | undefined {
  const text = String(signal).toUpperCase().replace(/^SIG/, "");
  if (/^\d+$/.test(text)) return Number(text) >= 1 && Number(text) <= 64 ? Number(text) : undefined;
  const rt = /^RTMIN\+(\d+)$/.exec(text);
  if (rt) return Number(rt[1]) <= 30 ? 34 + Number(rt[1]) : undefined;
  const i = names.indexOf(text);
  return i < 0 ? undefined : i + 1;
}
