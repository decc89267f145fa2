import { Secret } from "../../base/secret.ts";
import type { ApiConfig } from "../types/apis.ts";
import type { CredentialConfig } from "../types/credential.ts";
import { child, entriesOf, label, nameOf, quote, textOf, type YamlNode } from "../node.ts";
import type { Scope } from "./scope.ts";

/** What frames or routes a message is the gateway's own business (RFC 9110 §7.6.1, RFC 9112 §6). */
const reserved = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

export function compileStatic(scope: Scope, node: YamlNode): CredentialConfig {
  const bearer = child(node, "bearer");
  const basic = child(node, "basic");
  for (const place of ["header", "query", "cookie"] as const) {
    const name = child(node, place);
    if (name === undefined) continue;
    const value = demandValue(scope, node, place);
    if (place === "header") checkHeader(scope, name);
    if (place === "header" && value !== undefined) checkFieldValue(scope, value);
    if (place === "cookie" && value !== undefined) checkCookieValue(scope, value);
    return {
      kind: "static",
      in: place,
      name: textOf(name) ?? "",
      value: new Secret(textOf(value) ?? ""),
    };
  }
  refuseValue(scope, node);
  if (bearer !== undefined) checkFieldValue(scope, bearer);
  const text = basic === undefined ? `Bearer ${textOf(bearer) ?? ""}` : basicValue(scope, basic);
  return { kind: "static", in: "header", name: "authorization", value: new Secret(text) };
}

/** Lower case: names of headers have no case. */
export function compileIdentityHeaders(
  scope: Scope,
  node: YamlNode | undefined,
): ApiConfig["identityHeaders"] {
  return new Map(
    entriesOf(node).map(([name, value]) => {
      const header = name.toLowerCase();
      if (reserved.has(header) || credentials.has(header)) {
        const message = `${label(value)} is a header that the gateway sets`;
        scope.problems.error({ at: nameOf(value), code: "reserved_header", message });
      }
      return [header, (textOf(value) ?? "").split(".").slice(1)];
    }),
  );
}

/** Where credentials stand: who somebody is has no place there. */
const credentials = new Set(["authorization", "cookie", "proxy-authorization"]);

function demandValue({ problems }: Scope, node: YamlNode, place: string): YamlNode | undefined {
  const value = child(node, "value");
  if (value !== undefined) return value;
  const message = `${label(node)} needs "value" for its ${place}`;
  problems.error({ at: nameOf(node), code: "missing_key", message });
  return undefined;
}

function refuseValue({ problems }: Scope, node: YamlNode): void {
  const value = child(node, "value");
  if (value === undefined) return;
  const message = `${label(value)} belongs to header, query or cookie`;
  problems.error({ at: nameOf(value), code: "conflicting_keys", message });
}

function checkHeader({ problems }: Scope, name: YamlNode): void {
  if (!reserved.has((textOf(name) ?? "").toLowerCase())) return;
  const message = `${label(name)} must not be ${quote(name)}: the gateway sets it`;
  problems.error({ at: name, code: "reserved_header", message });
}

/** RFC 9110 §5.5: visible ASCII, spaces and tabs inside; anything else could split the message. */
function checkFieldValue({ problems }: Scope, value: YamlNode): void {
  const text = textOf(value);
  if (text === undefined || /^[!-~]([\t -~]*[!-~])?$/.test(text)) return;
  const message = `${label(value)} must be printable ASCII on one line, without outer spaces`;
  problems.error({ at: value, code: "invalid_value", message });
}

/** RFC 6265 §4.1.1, cookie-octet. */
function checkCookieValue({ problems }: Scope, value: YamlNode): void {
  const text = textOf(value);
  if (text === undefined || /^[!#-+\--:<-[\]-~]+$/.test(text)) return;
  const message = `${label(value)} must be printable ASCII without spaces, quotes, commas, ; and \\`;
  problems.error({ at: value, code: "invalid_value", message });
}

/** RFC 7617 §2: no colon in the user name, no control characters in either. */
function basicValue({ problems }: Scope, basic: YamlNode): string {
  const [username, password] = [child(basic, "username"), child(basic, "password")];
  for (const node of [username, password]) {
    if (node === undefined || !/\p{Cc}/u.test(textOf(node) ?? "")) continue;
    const message = `${label(node)} must not hold control characters`;
    problems.error({ at: node, code: "invalid_value", message });
  }
  if (username !== undefined && textOf(username)?.includes(":")) {
    const message = `${label(username)} must not hold a colon`;
    problems.error({ at: username, code: "invalid_value", message });
  }
  const pair = `${textOf(username) ?? ""}:${textOf(password) ?? ""}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}
