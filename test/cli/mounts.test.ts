import { expect, test } from "bun:test";
import { mounts } from "../../src/cli/mounts.ts";

const mount = (...given: string[]) => mounts({ mount: given });

test("--mount in Docker's words, and those that stand for one", () => {
  for (const words of [
    "type=bind,source=/a,target=/b",
    "src=/a,dst=/b",
    "type=bind,src=/a,destination=/b,readonly=false",
  ])
    expect(mount(words).volumes).toEqual({ "/b": { source: "/a", readOnly: false } });
  for (const words of ["readonly", "ro", "readonly=true", "readonly=1", "ro=T"])
    expect(mount(`src=/a,dst=/b,${words}`).volumes).toEqual({ "/b": { source: "/a", readOnly: true } });
  expect(mount("src=/a,dst=/b,bind-propagation=rslave").volumes).toEqual({
    "/b": { source: "/a", readOnly: false, options: ["rslave"] },
  });
  expect(mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777", "type=tmpfs,target=/r,ro").tmpfs).toEqual({
    "/t": "size=1m,mode=1777",
    "/r": "ro",
  });
});

test.each([
  ["src=/a", "target= is missing"],
  ["type=volume,src=a,dst=/b", "is not type=bind with source=, or type=tmpfs"],
  ["dst=/b", "is not type=bind with source="],
  ["src=/a,dst=/b,readonl", '--mount: "readonl" is not one of its words'],
  ["src=/a,dst=/b,readonly=yes", '--mount readonly: "yes" is not true or false'],
  ["src=/a,dst=/b,bind-propagation=up", '--mount bind-propagation: "up" is not private'],
  ["src=/a,dst=/b,toString=1", '"toString" is not one of its words'],
])("--mount %s is refused", (words, message) => {
  expect(() => mount(words)).toThrow(message);
});

test("--volume and --tmpfs, with options", () => {
  expect(mounts({ volume: ["/a:/b", "/c:/d:ro,nosuid"], tmpfs: ["/t", "/u:size=1m,exec"] })).toEqual({
    volumes: { "/b": { source: "/a", readOnly: false }, "/d": { source: "/c", readOnly: true, options: ["nosuid"] } },
    tmpfs: { "/t": "", "/u": "size=1m,exec" },
  });
  for (const bad of ["/a", ":/b", "/a:/b:ro:rw", "/a:/b:x"])
    expect(() => mounts({ volume: [bad] })).toThrow("--volume");
});

test("--shm-size is the size of what every container has", () => {
  expect(mounts({ "shm-size": "1g" }).tmpfs).toEqual({ "/dev/shm": "noexec,mode=1777,size=1073741824" });
  expect(() => mounts({ "shm-size": "much" })).toThrow("--shm-size");
});
