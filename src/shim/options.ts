import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";

/** What containerd gives beside a request, if it is of this kind: others' options mean nothing here. */
export const optionsOf = <S extends DescMessage>(given: Any | undefined, schema: S): MessageShape<S> | undefined =>
  given?.typeUrl.endsWith(schema.typeName) ? fromBinary(schema, given.value) : undefined;
