import type { SectionBuilder } from "../program/builder.ts";
import type { Context } from "./context.ts";

/** Host and domain name of a new UTS namespace. uts_namespaces(7). */
export function setNames(c: Context, s: SectionBuilder): void {
  const { hostname, domainname } = c.spec;
  const length = (text: string) => new TextEncoder().encode(text).length;
  if (hostname) s.call(`set the host name ${hostname}`, "sethostname", [hostname, length(hostname)]);
  if (domainname) s.call(`set the domain name ${domainname}`, "setdomainname", [domainname, length(domainname)]);
}
