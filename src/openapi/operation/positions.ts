import { headersOf } from "./field.ts";
import { kindOf, mediaTypeOf } from "./media.ts";
import type { Reading } from "./model.ts";
import { child, children, type Node, textOf } from "../document/node.ts";
import type { PartEncoding, Positions } from "./operation.ts";
import { isFailure } from "../document/reference.ts";

/** Whether a multipart type other than `form-data` says what its parts are: 3.2 only. */
export function isListOfParts(mediaType: string, written: Node, reading: Reading): boolean {
  const isOther = mediaType.startsWith("multipart/") && mediaType !== "multipart/form-data";
  if (!isOther || reading.dialectAt(written.at).name !== "3.2") return false;
  const media = reading.references.follow(written);
  if (isFailure(media)) return false;
  const says = ["itemSchema", "prefixEncoding", "itemEncoding"];
  if (says.some((key) => child(media, key) !== undefined)) return true;
  const schema = child(media, "schema");
  const target = schema && reading.references.follow(schema);
  return target !== undefined && !isFailure(target) && textOf(target, "type") === "array";
}

/** @param isFile Whether the schemas of the parts say that they are files. */
export function readPositions(
  media: Node,
  isFile: { readonly prefix: readonly boolean[]; readonly rest: boolean },
  reading: Reading,
): Positions {
  const encodings = children(child(media, "prefixEncoding")).map(([, node]) => node);
  const length = Math.max(encodings.length, isFile.prefix.length);
  const prefix = Array.from({ length }, (_, i) =>
    partOf(encodings[i], isFile.prefix[i] ?? isFile.rest, reading),
  );
  return { prefix, rest: partOf(child(media, "itemEncoding"), isFile.rest, reading) };
}

/** A declared type decides over the schema, which says nothing about most files. */
function partOf(encoding: Node | undefined, isFile: boolean, reading: Reading): PartEncoding {
  const contentType = textOf(encoding, "contentType");
  return {
    contentType,
    headers: encoding === undefined ? [] : headersOf(encoding, reading),
    isFile:
      contentType === undefined
        ? isFile
        : kindOf(mediaTypeOf(contentType.split(",", 1)[0] ?? "")).kind === "binary",
  };
}
