/** The errno's name of an error that a system call gave to the engine, such as `"ENOENT"`; undefined of any other. */
export const codeOf = (e: unknown): string | undefined => (e as NodeJS.ErrnoException | null | undefined)?.code;

/** Whether what was thrown is an error of this kind: `isCode(e, "ENOENT", "ESRCH")`. */
export const isCode = (e: unknown, ...codes: readonly string[]): boolean => codes.includes(codeOf(e) ?? "");
