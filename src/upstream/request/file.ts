import { CallError } from "../../base/errors.ts";
import { isJsonObject, type JsonValue } from "../../base/json.ts";

/** What the model sends as `{data, filename, mimeType}`. */
export interface File {
  readonly bytes: Buffer;
  readonly filename: string | undefined;
  readonly mimeType: string | undefined;
}

/** Decoded. A call holds its files in memory. */
const maxFileMegabytes = 10;
const maxFileBytes = maxFileMegabytes * 1024 * 1024;

/** RFC 9110 §8.3.1: type and subtype; parameters are printable. */
const mediaTypeForm = /^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+(?:\s*;[ -~]*)?$/;

/** @throws CallError `invalid_arguments`: not base64 (RFC 4648 §4), too large, or no media type. */
export function readFile(argument: string, value: JsonValue): File {
  const { data, filename, mimeType } = isJsonObject(value) ? value : {};
  const bytes = typeof data === "string" ? decodeBase64(data) : undefined;
  if (bytes === undefined) throw refuse(`${argument}.data must be base64`);
  if (bytes.length > maxFileBytes) {
    throw refuse(`${argument}.data must decode to at most ${maxFileMegabytes} MB`);
  }
  if (mimeType !== undefined && !(typeof mimeType === "string" && mediaTypeForm.test(mimeType))) {
    throw refuse(`${argument}.mimeType must be a media type, for example image/png`);
  }
  return { bytes, filename: typeof filename === "string" ? filename : undefined, mimeType };
}

/** Node passes over what is not base64; here one content has one spelling, with its padding. */
function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

/**
 * The media type of a file where the document declares a list of types and ranges: the file's own
 * when that is allowed, else the first that is no range.
 *
 * @returns undefined when only ranges are declared and the file's own type is in none of them.
 */
export function chooseType(declared: string, own: string | undefined): string | undefined {
  const types = declared.split(",").map((type) => type.trim());
  if (own !== undefined && types.some((type) => allows(type, own))) return own;
  return types.find((type) => type !== "" && !type.includes("*"));
}

function allows(range: string, type: string): boolean {
  const [wanted, given] = [range, type].map((text) => essenceOf(text).split("/"));
  return (wanted ?? []).every((part, i) => part === "*" || part === given?.[i]);
}

function essenceOf(type: string): string {
  return (type.split(";", 1)[0] ?? "").trim().toLowerCase();
}

export function refuse(message: string): CallError {
  return new CallError("invalid_arguments", message);
}
