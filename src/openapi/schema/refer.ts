import type { JsonObject } from "../../base/json.ts";
import { escapeText } from "../../base/text.ts";
import { child, type Node } from "../document/node.ts";
import { isFailure } from "../document/reference.ts";
import type { Around, Conversion } from "./conversion.ts";

/** `{$ref: "#/$defs/NAME"}`, or `{}` when there is nothing to point to. */
export function pointTo(ref: string, node: Node, { conversion, scope }: Around): JsonObject {
  const { at } = node;
  const target = conversion.references.resolve(ref, at, scope.own);
  const quoted = (): string => `the reference "${escapeText(ref, 200)}"`;
  if (isFailure(target)) {
    const message = `${quoted()} ${target.reason}; anything is accepted there`;
    conversion.warn({ code: target.code, message, at });
    return {};
  }
  const reading = conversion.leavesCycle(target, scope.chain, scope.inAllOf);
  if (reading === "never") {
    const message = `${quoted()} leads back to its own schema; anything is accepted there`;
    conversion.warn({ code: "circular_ref", message, at });
    return {};
  }
  const name = conversion.nameOf(target.at, reading === "base");
  return { $ref: `#/$defs/${name}` };
}

const knownDialects =
  /^(?:https:\/\/json-schema\.org\/draft\/20(?:19-09|20-12)\/|http:\/\/json-schema\.org\/(?:draft-0[3-7]\/)?schema|https:\/\/spec\.openapis\.org\/oas\/)/;

export function isKnownDialect(uri: string): boolean {
  return knownDialects.test(uri);
}

export function checkDialect(node: Node, conversion: Conversion): void {
  const own = child(node, "$schema")?.value;
  const dialect = own ?? conversion.dialectAt(node.at).schemaDialect;
  if (typeof dialect !== "string" || isKnownDialect(dialect)) return;
  const message = `the schema dialect "${escapeText(dialect, 100)}" is not known`;
  conversion.fail({ code: "unknown_dialect", message, at: node.at });
}
