import type { JsonObject, JsonSchema } from "../../base/json.ts";
import { type Note, text } from "./shape.ts";

/** `patternErrorMessage` is what editors and our own messages say instead of the pattern. */
function pattern(source: string, message: string): JsonObject {
  return { pattern: source, patternErrorMessage: message };
}

/** Names of apis and OAuth clients: they appear in tool names, metrics and paths. */
export const idNames: JsonSchema = pattern(
  "^[a-z][a-z0-9_-]{0,31}$",
  "must start with a-z and hold at most 32 of a-z, 0-9, _ and -",
);

export function duration(note: Note): JsonSchema {
  return text(note, pattern("^\\d{1,9}(ms|s|m|h)$", "must be a duration such as 10s, 500ms or 2m"));
}

/** How many within which time: `60/m` is 60 within a minute, `5/10s` five within ten seconds. */
export function rate(note: Note): JsonSchema {
  return text(
    note,
    pattern(
      "^[1-9]\\d{0,6}/([1-9]\\d{0,4})?(s|m|h)$",
      "must be a rate such as 60/m, 5/s or 100/10m",
    ),
  );
}

/** How many may be under way at once. */
export function concurrency(note: Note): JsonSchema {
  return { type: "integer", ...note, minimum: 1, maximum: 65_536 };
}

export function size(note: Note): JsonSchema {
  return {
    type: ["integer", "string"],
    ...note,
    minimum: 1,
    ...pattern(
      "^\\d{1,12}(B|kB|MB|GB|KiB|MiB|GiB)?$",
      "must be a size such as 1MiB, 64kB or a number of bytes",
    ),
  };
}

export function listen(note: Note): JsonSchema {
  return {
    type: ["integer", "string"],
    ...note,
    minimum: 0,
    maximum: 65_535,
    ...pattern(
      "^(\\[[0-9A-Fa-f:.]+\\]:|[0-9A-Za-z.-]*:)?\\d{1,5}$",
      'must be host:port, :port, "[::1]:port" or a port number',
    ),
  };
}

/** RFC 6749 §3.3, scope-token. */
export const scopeToken: JsonSchema = {
  type: "string",
  ...pattern("^[!#-\\[\\]-~]+$", "must be one OAuth scope: no spaces, quotes or backslashes"),
};

/** A member of a token's payload, or a way into it. */
export const claimName: JsonSchema = {
  type: "string",
  ...pattern("^[!-~]{1,256}$", "must be the name of a claim: printable, without spaces"),
};

export const hostName: JsonSchema = {
  type: "string",
  ...pattern(
    "^([0-9a-z]([0-9a-z-]*[0-9a-z])?(\\.[0-9a-z]([0-9a-z-]*[0-9a-z])?)*|[0-9a-f:.]*:[0-9a-f:.]*)$",
    "must be a lower-case host name without scheme, port or path",
  ),
};

export const hostAndPort: JsonSchema = {
  type: "string",
  ...pattern(
    "^([0-9a-z]([0-9a-z-]*[0-9a-z])?(\\.[0-9a-z]([0-9a-z-]*[0-9a-z])?)*|\\[[0-9a-f:.]+\\])(:[1-9]\\d{0,4})?$",
    "must be a lower-case host name, with :port unless it is the default one",
  ),
};

/** RFC 9110 §5.6.2, token: header and cookie names. */
export const token: JsonObject = pattern(
  "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
  "must be a legal header or cookie name: letters, digits and !#$%&'*+-.^_`|~",
);

/** What every model provider accepts; reference clients refuse a whole server for one other name. */
export const toolName: JsonObject = pattern(
  "^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$",
  "must start with a letter or _ and hold at most 64 letters, digits, _ and -",
);

export const argumentName: JsonObject = pattern(
  "^[a-zA-Z0-9_.-]{1,64}$",
  "must hold 1 to 64 letters, digits, _, . and -",
);

/** Member names of JSON, with dots between levels. */
export const fieldPath: JsonSchema = {
  type: "string",
  ...pattern("^[^.]+(\\.[^.]+)*$", "must be a name, or names with single dots between them"),
};

export const globPath: JsonSchema = { type: "string", ...pattern("^/", "must start with /") };

export const principalPath: JsonObject = pattern(
  "^principal\\.(sub|clientId|iss|claims(\\.[A-Za-z0-9_:-]+)+)$",
  "must be principal.sub, principal.clientId, principal.iss or principal.claims.NAME",
);
