import { resolve } from "node:path";
import { ConfigError } from "../base/errors.ts";
import { isJsonObject, type JsonObject } from "../base/json.ts";
import { parseDocument } from "./document.ts";
import {
  child,
  entriesOf,
  itemsOf,
  label,
  nameOf,
  textOf,
  textsOf,
  type YamlNode,
} from "./node.ts";
import { createProblems, type Problems } from "./problems.ts";
import { readTextFile } from "./text-file.ts";
import { readTree } from "./tree.ts";

/** What a caller may do with a tool, as `Permit` answers. */
const policyOutcomes = ["allowed", "hidden", "needs_scopes", "denied"] as const;

/** One row of a table of policy cases: who, what, and what must come of it. */
export interface PolicyCase {
  readonly name: string;
  readonly caller: {
    readonly sub: string;
    readonly iss: string;
    readonly name: string | undefined;
    readonly clientId: string | undefined;
    readonly scopes: readonly string[];
    readonly roles: readonly string[];
    readonly claims: JsonObject;
  };
  readonly tool: string;
  /** undefined: whether it is listed. */
  readonly args: JsonObject | undefined;
  readonly expect: (typeof policyOutcomes)[number];
  readonly line: number;
}

const maxFileBytes = 2 * 1024 * 1024;
const caseKeys = ["name", "caller", "tool", "args", "expect"];
const callerKeys = ["sub", "iss", "name", "clientId", "scopes", "roles", "claims"];

/** @throws ConfigError with everything that is wrong with the file. */
export async function readPolicyCases(file: string): Promise<readonly PolicyCase[]> {
  const problems = createProblems();
  const read = await readTextFile(resolve(file), maxFileBytes);
  if (!read.ok) {
    const message = `cannot read ${file}: ${read.reason}`;
    problems.error({ at: undefined, code: read.code, message });
    throw new ConfigError(problems.errors());
  }
  const document = parseDocument(read.text, file, problems);
  const tree = document && readTree(document, problems);
  if (tree !== undefined && tree.kind !== "list") {
    const message = "a table of policy cases is a list";
    problems.error({ at: tree, code: "wrong_type", message });
  }
  const cases = itemsOf(tree).map((item) => readCase(item, problems));
  if (problems.errors().length > 0) throw new ConfigError(problems.errors());
  return cases;
}

function readCase(item: YamlNode, problems: Problems): PolicyCase {
  refuseUnknown(item, caseKeys, problems);
  const caller = child(item, "caller");
  refuseUnknown(caller, callerKeys, problems);
  const tool = textOf(child(item, "tool"));
  const expect = policyOutcomes.find((outcome) => outcome === textOf(child(item, "expect")));
  if (tool === undefined || expect === undefined) {
    const message = `${label(item)} needs "tool", and "expect" as one of ${policyOutcomes.join(", ")}`;
    problems.error({ at: item.position, code: "missing_key", message });
  }
  const args = child(item, "args")?.value;
  const claims = child(caller, "claims")?.value;
  return {
    name: textOf(child(item, "name")) ?? `${textOf(child(caller, "sub")) ?? "somebody"}, ${tool}`,
    caller: {
      sub: textOf(child(caller, "sub")) ?? "somebody",
      iss: textOf(child(caller, "iss")) ?? "",
      name: textOf(child(caller, "name")),
      clientId: textOf(child(caller, "clientId")),
      scopes: textsOf(child(caller, "scopes")),
      roles: textsOf(child(caller, "roles")),
      claims: isJsonObject(claims) ? claims : {},
    },
    tool: tool ?? "",
    args: isJsonObject(args) ? args : undefined,
    expect: expect ?? "hidden",
    line: item.position.line,
  };
}

function refuseUnknown(
  node: YamlNode | undefined,
  known: readonly string[],
  problems: Problems,
): void {
  for (const [key, inner] of entriesOf(node)) {
    if (known.includes(key)) continue;
    const message = `unknown key in ${node === undefined ? "" : label(node)}: ${key}`;
    problems.error({ at: nameOf(inner), code: "unknown_key", message });
  }
}
