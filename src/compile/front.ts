import { O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, buffer, high, low, textBlock } from "../program/values.ts";
import { spawnSupervisor } from "./cgroup.ts";
import type { Context } from "./context.ts";
import { FD } from "./descriptors.ts";
import { takeAllSignals } from "./signals.ts";

/** So that the pipe to the front gets none of the numbers that the supervisor gives away. */
function reserveLow(s: SectionBuilder): void {
  for (let fd = FD.CONTROL + 1; fd < FD.WAITING; fd++)
    s.call(`reserve file descriptor ${fd}`, "dup3", [FD.CONTROL, fd, O.CLOEXEC]);
}

/** Detached: the process that the command line became waits for the start only, and prints `said`. `write` writes the supervisor. */
export function behindFront(
  c: Context,
  main: SectionBuilder,
  said: string,
  write: (supervisor: SectionBuilder, front: Slot) => void,
): void {
  const supervisor = c.program.section("supervisor");
  const front = c.program.slot("pipe to the front");
  reserveLow(main);
  main.call("make the pipe to the front", "pipe2", [addressOf(front), O.CLOEXEC]);
  const pid = spawnSupervisor(c, main, supervisor);
  main.call("close the supervisor's end", "close", [high(front)]);
  const told = main.get("wait for the start", "read", [low(front), buffer("one byte", 1), 1]);
  main.skipIf(told, "!=", 1, () => {
    const text = textBlock(said);
    if (said) main.call("print the name", "write", [1, text, text.bytes.length]);
    main.exit(0);
  });
  // It has said what failed; its exit status is ours.
  const signals = takeAllSignals(main);
  const [code] = main.supervise("wait for the supervisor", { child: pid, pidfd: -1, signals });
  main.exit(code as Slot);

  supervisor.call("have a session of its own", "setsid", []);
  supervisor.call("close the front's end", "close", [low(front)]);
  write(supervisor, front);
}
