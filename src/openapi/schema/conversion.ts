import type { JsonValue } from "../../base/json.ts";
import type { Finding, Warn } from "../document/finding.ts";
import type { Node, Pointer } from "../document/node.ts";
import type { References } from "../document/reference.ts";
import type { Hides } from "./read-only.ts";
import type { Survey } from "../document/survey.ts";
import type { DialectAt } from "../document/version.ts";

/** What the conversion of one schema, inline or named, needs from around it. */
export interface Conversion {
  readonly dialectAt: DialectAt;
  readonly references: References;
  readonly survey: Survey;
  readonly hides: Hides;
  /** The pool name of the schema at `at`; `base` names it without its own oneOf and anyOf. */
  readonly nameOf: (at: Pointer, base: boolean) => string;
  readonly warn: Warn;
  /** The schema cannot be served at all. May throw; when it returns, the place accepts anything. */
  readonly fail: (finding: Finding) => void;
  /** Schemas that are converted a second time elsewhere must not repeat their anchors. */
  readonly keepAnchors: boolean;
  readonly leavesCycle: LeavesCycle;
  /** Subschemas that may still be converted. */
  readonly budget: { left: number };
}

/** Decides what an in-place reference may point at; see cycle.ts. */
export type LeavesCycle = (
  target: Node,
  chain: readonly Node[],
  inAllOf: boolean,
) => "whole" | "base" | "never";

/** Where in a schema the conversion is. */
export interface Scope {
  /** Levels of subschemas above. */
  readonly depth: number;
  /** Schemas around that apply to the same instance, outermost first. */
  readonly chain: readonly Node[];
  readonly inAllOf: boolean;
  /** The schema being converted; see `References.resolve`. */
  readonly own: Pointer;
  /** Property names that are hidden somewhere in the chain, so that nobody requires them. */
  readonly hidden: ReadonlySet<string>;
}

/** What every step of a conversion is given. */
export interface Around {
  readonly conversion: Conversion;
  readonly scope: Scope;
}

/** A schema in the making. */
export type Draft = Record<string, JsonValue>;
