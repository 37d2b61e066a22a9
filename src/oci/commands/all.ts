import { criuCommands } from "../criu/commands.ts";
import { about } from "./about.ts";
import type { OciCommand } from "./command.ts";
import { lifecycle } from "./lifecycle.ts";
import { running } from "./running.ts";

export const ociCommands: Readonly<Record<string, OciCommand>> = {
  ...lifecycle,
  ...running,
  ...criuCommands,
  ...about,
};
