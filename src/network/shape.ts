import { amount, either, fields, listOf, type Shape, shape, text } from "../values/shape.ts";

const dns = { dns: listOf(text), dnsSearch: listOf(text), dnsOptions: listOf(text) };
const direct = { address: text, gateway: text, mac: text, mode: text, ...dns };
const bridge = fields(
  {
    ...{ bridge: text, address: text, address6: text, mac: text, ports: listOf(text), ...dns },
    egress: fields({ allow: listOf(text) }, ["allow"]),
    bandwidth: fields({ download: amount, upload: amount }),
  },
  ["bridge"],
);

/** NetworkOptions: which of them there are, is for those to say that read them. */
export const networkShape: Shape = either(
  text,
  ...["path", "container", "cni"].map((name) => fields({ [name]: text }, [name])),
  bridge,
  ...["macvlan", "ipvlan"].map((name) => fields({ ...direct, [name]: text }, [name])),
  fields({ pasta: shape("true", (v) => v === true), ports: listOf(text), ...dns }, ["pasta"]),
);
