/** Handlers that are here already: devices of the container by mknod, file systems that are safe to mount, its memory. */
export const readyNames = ["mknod", "mount", "sysinfo"] as const;
export type ReadyHandler = (typeof readyNames)[number];
