import { escapeText } from "../../base/text.ts";
import { Unconvertible, type Warn } from "../document/finding.ts";
import type { Node, Pointer } from "../document/node.ts";
import type { SecurityScheme, Servers } from "./operation.ts";
import { isFailure, type References, refOf } from "../document/reference.ts";
import type { Schemas } from "../schema/pool.ts";
import type { DialectAt } from "../document/version.ts";

/** The document as the readers of its parts see it. */
export interface Model {
  /** The whole document. */
  readonly root: Node;
  readonly dialectAt: DialectAt;
  readonly references: References;
  readonly schemas: Schemas;
  /** The same schemas as an answer has them; made when first asked for. */
  readonly answerSchemas: () => Schemas;
  /** Of the request that a method sends. */
  readonly schemasOf: (method: string) => Schemas;
  readonly securitySchemes: ReadonlyMap<string, SecurityScheme>;
  readonly servers: Servers;
  /** URL of the document that a place belongs to; undefined for a file. */
  readonly baseAt: (at: Pointer) => string | undefined;
}

/** One operation being read: its findings go to `warn`, its refusal is an `Unconvertible`. */
export interface Reading extends Model {
  readonly at: Pointer;
  readonly warn: Warn;
}

/** @throws Unconvertible The reference leads to nothing that may be read. */
export function followOrFail(node: Node, { references }: Model): Node {
  const target = references.follow(node);
  if (!isFailure(target)) return target;
  const message = `the reference "${escapeText(refOf(node) ?? "", 200)}" ${target.reason}`;
  throw new Unconvertible({ code: target.code, message, at: node.at });
}

export function fail(code: string, message: string, { at }: Node): never {
  throw new Unconvertible({ code, message, at });
}
