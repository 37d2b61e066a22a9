import type { Manager } from "../cgroups/scope.ts";
import { RuntimeError } from "./places.ts";

/** What systemd is to make of a container's group. */
export type Unit = { readonly manager: Manager; readonly name: string; readonly slice: string };
/** Where a container's group is, below the top of each hierarchy. */
export type GroupPlace = { readonly path: string; readonly unit?: Unit };

const part = /^[^\s/\0]{1,255}$/;

function plain(path: string): string {
  const parts = path.split("/").filter((p) => p !== "" && p !== ".");
  if (parts.length === 0 || parts.includes("..") || !parts.every((p) => part.test(p)))
    throw new RuntimeError(`linux.cgroupsPath: ${JSON.stringify(path)} is not a path such as "/engine/ID"`);
  return `/${parts.join("/")}`;
}

/** systemd.slice(5): "a-b.slice" is in "a.slice". */
export function slicePath(slice: string): string {
  if (slice === "-.slice") return "";
  const name = slice.slice(0, -".slice".length);
  if (!slice.endsWith(".slice") || !/^[\w.@:\\-]+$/.test(name) || name.split("-").includes(""))
    throw new RuntimeError(`linux.cgroupsPath: ${JSON.stringify(slice)} is not a slice such as "machine-web.slice"`);
  const parts = name.split("-");
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("-")}.slice`).join("");
}

/** Who makes a container's group, and below which it is: systemd's manager and its own group, or nobody but us. */
export type GroupMaker = { readonly manager?: Manager; readonly top: string };

/** "slice:prefix:name", as engines write it for systemd. */
function unitPlace(text: string, manager: Manager, top: string): GroupPlace {
  const [slice = "", prefix = "", name = "", ...rest] = text.split(":");
  if (name === "" || rest.length || text.includes("/"))
    throw new RuntimeError(`linux.cgroupsPath: ${JSON.stringify(text)} is not "slice:prefix:name"`);
  const inSlice = slice || (manager === "user" ? "user.slice" : "system.slice");
  const unit = name.endsWith(".slice") ? name : `${prefix === "" ? "" : `${prefix}-`}${name}.scope`;
  return { path: `${top}${slicePath(inSlice)}/${unit}`, unit: { manager, name: unit, slice: inSlice } };
}

export function groupPlace(cgroupsPath: string | undefined, id: string, { manager, top }: GroupMaker): GroupPlace {
  if (manager) return unitPlace(cgroupsPath || `:caisson:${id}`, manager, top);
  return { path: top + plain(cgroupsPath || `/${id}`) };
}
