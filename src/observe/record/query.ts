import { isJsonObject, type JsonObject, type JsonValue } from "../../base/json.ts";
import { quote } from "./quote.ts";

/** What is asked of the log; everything that is given must hold. */
export interface Question {
  /** Milliseconds since the epoch, both inclusive. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  /** `actor.sub`. */
  readonly user: string | undefined;
  /** Name; `*` stands for any characters. */
  readonly tool: string | undefined;
  /** `actor.client_id`. */
  readonly client: string | undefined;
  readonly outcome: string | undefined;
  readonly event: string | undefined;
  /** `path op value`, e.g. `upstream.status>=500`. */
  readonly where: readonly string[];
  /** Arguments that `audit.args` lets the log show, with the text they must have. */
  readonly args: readonly (readonly [name: string, value: string])[];
}

export interface Filter {
  readonly matches: (record: JsonObject) => boolean;
  /** Every record that matches has this text; undefined when none is known. */
  readonly needle: string | undefined;
}

/** @throws TypeError for a `where` that cannot be read. */
export function compileFilter(question: Question): Filter {
  const { since, until, user, tool, client, outcome, event, where } = question;
  const tests: ((record: JsonObject) => boolean)[] = where.map(compileWhere);
  for (const [name, value] of question.args) {
    const path = ["args", "fields", ...name.split(".")];
    tests.push((record) => textAt(record, path) === value);
  }
  if (since !== undefined || until !== undefined) {
    // Of one length and in UTC: as text they sort as in time.
    const from = since === undefined ? "" : new Date(since).toISOString();
    const to = until === undefined ? "~" : new Date(until).toISOString();
    tests.push(({ time }) => typeof time === "string" && time >= from && time <= to);
  }
  const equal = (path: string, wanted: string | undefined): void => {
    if (wanted === undefined) return;
    const names = path.split(".");
    tests.push((record) => valueAt(record, names) === wanted);
  };
  equal("actor.sub", user);
  equal("actor.client_id", client);
  equal("outcome", outcome);
  equal("event", event);
  if (tool !== undefined) {
    const isTool = glob(tool);
    tests.push((record) => isTool(textAt(record, ["tool", "name"])));
  }
  return {
    matches: (record) => tests.every((test) => test(record)),
    needle: needleOf(question),
  };
}

function needleOf({ user, client, tool, outcome, event }: Question): string | undefined {
  if (user !== undefined) return `"sub":${quote(user)}`;
  if (client !== undefined) return `"client_id":${quote(client)}`;
  if (tool !== undefined && !tool.includes("*")) return `"name":${quote(tool, 128)}`;
  if (outcome !== undefined) return `"outcome":${quote(outcome)}`;
  return event === undefined ? undefined : `"event":${quote(event)}`;
}

/** The value at a path; undefined when there is none. */
export function valueAt(record: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = record;
  for (const name of path) value = isJsonObject(value) ? value[name] : undefined;
  return value;
}

/** The same as text, empty when there is none. */
export function textAt(record: JsonObject, path: readonly string[]): string {
  const value = valueAt(record, path);
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

const comparison = /^([a-z_]+(?:\.[a-z_]+)*)\s*(>=|<=|!=|=|>|<)\s*(.*)$/;

/** @throws TypeError when it cannot be read. */
export function compileWhere(text: string): (record: JsonObject) => boolean {
  const [, path = "", operator, value = ""] = comparison.exec(text) ?? [];
  if (operator === undefined) throw new TypeError(`${text} is not path=value or path>=number`);
  const names = path.split(".");
  if (operator === "=") return (record) => textAt(record, names) === value;
  if (operator === "!=") return (record) => textAt(record, names) !== value;
  const limit = Number(value);
  if (Number.isNaN(limit)) throw new TypeError(`${text}: ${value} is not a number`);
  const holds = {
    ">=": (found: number) => found >= limit,
    "<=": (found: number) => found <= limit,
    ">": (found: number) => found > limit,
    "<": (found: number) => found < limit,
  }[operator as ">=" | "<=" | ">" | "<"];
  return (record) => {
    const found = valueAt(record, names);
    return typeof found === "number" && holds(found);
  };
}

/** `*` stands for any characters. */
export function glob(pattern: string): (name: string) => boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  const expression = new RegExp(`^${parts.join("[^]*")}$`);
  return (name) => expression.test(name);
}
