import type { JsonValue } from "../../base/json.ts";
import { toLine } from "./plain-text.ts";
import type { ArgumentNames } from "./reply-shape.ts";

/**
 * Turns the place an API complains about into the argument it came from: `/items/0/sku` becomes
 * `body.items[0].sku`, `customer_id` becomes `customerId`.
 *
 * @returns The path as written (made safe to print) when no argument has that name; undefined when
 *   it is not a path at all.
 */
export type ArgumentPath = (path: JsonValue | undefined) => string | undefined;

const maxSegments = 16;
const maxLength = 200;

type Location = "body" | "parameter";
const locations: ReadonlyMap<string, Location> = new Map<string, Location>([
  ["body", "body"],
  ["query", "parameter"],
  ["path", "parameter"],
  ["header", "parameter"],
  ["cookie", "parameter"],
]);

export function compileArgumentPath(names: ArgumentNames): ArgumentPath {
  const parameters = withLowerCase(names.parameters);
  const properties = withLowerCase(names.properties);
  const find = (known: ReadonlyMap<string, string>, name: string): string | undefined =>
    known.get(name) ?? known.get(name.toLowerCase());

  const inBody = (segments: readonly string[]): string | undefined => {
    const [first = "", ...rest] = segments;
    const property = find(properties, first);
    if (property !== undefined) return join([property, ...rest]);
    return names.body === undefined ? undefined : join([names.body, ...segments]);
  };
  const asParameter = ([first = "", ...rest]: readonly string[]): string | undefined => {
    const parameter = find(parameters, first);
    return parameter === undefined ? undefined : join([parameter, ...rest]);
  };

  return (path) => {
    // A name on the wire may hold what separates segments elsewhere: `filter[from]`.
    const whole = typeof path === "string" ? find(parameters, path) : undefined;
    if (whole !== undefined) return join([whole]);
    const segments = segmentsOf(path);
    if (segments === undefined || segments.length === 0) return undefined;
    const [first = "", ...rest] = segments;
    const location = find(properties, first) === undefined ? locations.get(first) : undefined;
    if (location !== undefined && rest.length > 0) {
      const found = location === "body" ? inBody(rest) : asParameter(rest);
      return found ?? join(rest);
    }
    // A JSON Pointer points into the body; a bare name may be either.
    const known = isPointer(path)
      ? (inBody(segments) ?? asParameter(segments))
      : (asParameter(segments) ?? inBody(segments));
    return known ?? join(segments);
  };
}

/** Frameworks report `CustomerId` for `customerId`, and header names have no case. */
function withLowerCase(names: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const lower = [...names].map(([wire, name]) => [wire.toLowerCase(), name] as const);
  return new Map([...lower, ...names]);
}

function isPointer(path: JsonValue | undefined): boolean {
  return typeof path === "string" && /^#?\//.test(path);
}

function segmentsOf(path: JsonValue | undefined): readonly string[] | undefined {
  if (Array.isArray(path)) return path.slice(0, maxSegments).map(segmentText);
  if (typeof path !== "string" || path.length > 1024) return undefined;
  if (isPointer(path)) {
    const text = path.startsWith("#") ? decodeFragment(path.slice(1)) : path;
    const tokens = text.slice(1).split("/", maxSegments);
    return tokens.map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
  }
  const dotted = path.startsWith("$") ? path.slice(1) : path;
  return (dotted.match(/[^.[\]"']+/g) ?? []).slice(0, maxSegments);
}

function segmentText(segment: JsonValue): string {
  return typeof segment === "string" || typeof segment === "number" ? String(segment) : "?";
}

/** A pointer as a URI fragment is percent-encoded (RFC 6901 §6). */
function decodeFragment(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}

function join(segments: readonly string[]): string {
  const path = segments.map((segment, i) => {
    if (/^\d+$/.test(segment)) return `[${segment}]`;
    return i === 0 ? segment : `.${segment}`;
  });
  return toLine(path.join(""), maxLength);
}
