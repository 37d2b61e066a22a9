/** Whether this is a compiled command rather than a script of an engine. */
export const isCompiled = (): boolean => process.versions["bun"] !== undefined && !/\/bun[^/]*$/.test(process.execPath);
