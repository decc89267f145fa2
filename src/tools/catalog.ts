import { createHash } from "node:crypto";
import type { Issue } from "../base/issue.ts";
import type { JsonSchema } from "../base/json.ts";
import type { ApiConfig } from "../config/types/apis.ts";
import type { CredentialConfig } from "../config/types/credential.ts";
import type { RuleConfig } from "../config/types/rule.ts";
import type { ApiDocument, Operation } from "../openapi/operation/operation.ts";
import { createChecker } from "./check.ts";
import { checkedSchema } from "./checked-schema.ts";
import { describeTool } from "./entry.ts";
import { fitSchema, maxSchemaBytes, maxSubschemas, suspectLength } from "./fit.ts";
import { inputSchema } from "./input-schema.ts";
import { warnOfInstructions } from "./instructions.ts";
import { layOut, type Layout } from "./layout.ts";
import { distinctToolName, toolName } from "./name.ts";
import { outputOf } from "./output.ts";
import { selectOperations, type Selected } from "./rule.ts";
import { checkSecurity, unmetSecurity } from "./security.ts";
import { keepServable } from "./servable.ts";
import { warnOfCost } from "./tokens.ts";
import type { ArgIssue } from "./arg-issue.ts";
import type { ServedOperation, Tool } from "./tool.ts";

/** Every tool of a gateway. Immutable; the order is that of the names. */
export interface Catalog {
  readonly tools: ReadonlyMap<string, Tool>;
  /** Changes when something that a client can see changes, or who can see it. */
  readonly digest: string;
  /** The `tools` array of `tools/list` as JSON bytes, for the tools that `isVisible` accepts. */
  readonly listFor: (
    isVisible: (tool: Tool) => boolean,
    entry: "entry" | "legacyEntry",
  ) => Uint8Array;
}

/** Lists are kept per visible set: a gateway has few kinds of callers. */
const maxLists = 256;

/**
 * @returns The catalog and every finding; with a finding of severity `error` it is not to be used.
 */
export function compileCatalog(
  apis: readonly { readonly config: ApiConfig; readonly document: ApiDocument }[],
): {
  readonly catalog: Catalog;
  readonly issues: readonly Issue[];
  /** By API: why operations that no rule exposes could not be converted. */
  readonly unwanted: ReadonlyMap<string, readonly Issue[]>;
} {
  const issues: Issue[] = [];
  const unwanted = new Map<string, readonly Issue[]>();
  const check = createChecker();
  const drafts = apis.flatMap(({ config, document }) => {
    const selection = selectOperations(keepServable(document), config.rules);
    issues.push(...selection.issues);
    unwanted.set(config.id, selection.unwanted);
    const wanted = selection.selected.filter(({ operation, rule }) =>
      isWanted(operation, rule, config),
    );
    const operations = wanted.map(({ operation }) => operation);
    issues.push(...checkSecurity(config, document, operations));
    return wanted.map(({ operation, rule }) => ({
      operation: withoutCredential(operation, config.credential),
      rule,
      unmetSecurity: unmetSecurity(operation, document.securitySchemes, config.credential),
      api: config.id,
      prefix: config.prefix ? `${config.id}_` : "",
    }));
  });
  const names = nameTools(drafts, issues);
  const tools: Tool[] = [];
  for (const [index, draft] of drafts.entries()) {
    const { api, operation, rule } = draft;
    const name = names[index];
    if (name === undefined) continue;
    const layout = layOut(operation, rule, operation.schemas);
    issues.push(...layout.issues, ...operation.warnings);
    const described = describe(name, { operation, rule }, inputSchema(layout, operation.schemas));
    if (described.issue !== undefined) issues.push(described.issue);
    if (described.entry === undefined) continue;
    const { entry } = described;
    const output = outputOf(operation, rule, check);
    tools.push({
      name,
      api,
      operation: served(operation),
      unmetSecurity: draft.unmetSecurity,
      get inputSchema() {
        return schemaIn(entry);
      },
      places: layout.places,
      position: rule.position,
      scopes: rule.scopes,
      confirm: rule.confirm,
      when: rule.when,
      response: rule.response,
      timeouts: rule.timeouts,
      rate: rule.rate,
      egress: rule.egress,
      maxConcurrentCalls: rule.maxConcurrentCalls,
      output,
      entry: withOutput(entry, output?.schema),
      legacyEntry: withOutput(entry, output?.legacySchema),
      headers: layout.headers,
      validate: compileValidate(entry, layout, check),
    });
  }
  issues.push(...warnOfInstructions(tools));
  const [first] = apis;
  if (first !== undefined) issues.push(...warnOfCost(tools, first.config.position));
  return { catalog: createCatalog(tools), issues, unwanted };
}

function served({
  id,
  method,
  path,
  fixedQuery,
  tags,
  responses,
  security,
  servers,
  position,
}: Operation): ServedOperation {
  const successes = responses
    .filter(({ status }) => /^2|^default$/.test(status))
    .map(({ status, mediaTypes }) => ({ status, mediaTypes }));
  return { id, method, path, fixedQuery, tags, successes, security, servers, position };
}

function schemaIn(entry: string): JsonSchema {
  return (JSON.parse(entry) as { readonly inputSchema: JsonSchema }).inputSchema;
}

/** A rule that names an operation means it, deprecated or not. */
function isWanted(operation: Operation, rule: RuleConfig, { skipDeprecated }: ApiConfig): boolean {
  return !(skipDeprecated && operation.deprecated && rule.select.kind === "match");
}

interface Described {
  /** undefined: no client would take the tool. */
  readonly entry: string | undefined;
  readonly issue: Issue | undefined;
}

function describe(name: string, { operation, rule }: Selected, schema: JsonSchema): Described {
  const entry = JSON.stringify(describeTool(name, operation, rule, schema));
  if (entry.length < suspectLength) return { entry, issue: undefined };
  const fitted = fitSchema(schema);
  if (fitted !== undefined && fitted.lost === undefined) return { entry, issue: undefined };
  const what = `the arguments of ${operation.method} ${operation.path} take more than ${maxSchemaBytes} bytes or ${maxSubschemas} schemas to describe`;
  const issue: Issue = {
    severity: fitted === undefined && rule.select.kind === "operation" ? "error" : "warning",
    code: "tool_too_large",
    message:
      fitted === undefined
        ? `${what}; there is no tool for it`
        : `${what}; ${fitted.lost} are left out and not checked`,
    position: rule.position,
    help: "hide arguments with args",
  };
  return fitted === undefined
    ? { entry: undefined, issue }
    : {
        entry: JSON.stringify(describeTool(name, operation, rule, fitted.schema)),
        issue,
      };
}

function withOutput(entry: string, schema: JsonSchema | undefined): string {
  if (schema === undefined) return entry;
  return `${entry.slice(0, -1)},"outputSchema":${JSON.stringify(schema)}}`;
}

/**
 * A catalog of some tools of another.
 *
 * @param spell How an endpoint shows an entry to its clients; the tools themselves stay the same.
 */
export function createCatalog(
  unordered: readonly Tool[],
  spell: (entry: string) => string = (entry) => entry,
): Catalog {
  const tools = unordered.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const lists = new Map<string, Uint8Array>();
  const digest = createHash("sha256");
  for (const { entry, scopes, when } of tools) {
    digest.update(JSON.stringify([spell(entry), scopes, when?.expression ?? ""]));
  }
  return {
    tools: new Map(tools.map((tool) => [tool.name, tool])),
    digest: digest.digest("hex").slice(0, 16),
    listFor(isVisible, entry) {
      const visible = tools.filter(isVisible);
      // No name holds a comma or a star, so no two sets share a key: not even all and none.
      const set = visible.length === tools.length ? "*" : visible.map(({ name }) => name).join(",");
      const key = `${entry} ${set}`;
      const known = lists.get(key);
      if (known) return known;
      const list = Buffer.from(`[${visible.map((tool) => spell(tool[entry])).join(",")}]`);
      if (lists.size >= maxLists) lists.clear();
      lists.set(key, list);
      return list;
    },
  };
}

/** By rule, else from the operation; a name that is taken gets a mark of its operation's own. */
function nameTools(drafts: readonly Draft[], issues: Issue[]): (string | undefined)[] {
  const owners = new Map<string, { readonly api: string; readonly explicit: boolean }>();
  const names: (string | undefined)[] = drafts.map(() => undefined);
  const order = drafts
    .map((draft, index) => ({ draft, index, key: orderKey(draft) }))
    .toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  for (const { draft, index } of order) {
    const { operation, rule, api } = draft;
    const explicit = rule.name !== undefined;
    let name = rule.name ?? toolName(operation, draft.prefix);
    const owner = owners.get(name.toLowerCase());
    if (owner !== undefined && !explicit && (owner.api === api || owner.explicit)) {
      name = distinctToolName(name, operation);
    }
    if (owners.has(name.toLowerCase())) {
      issues.push({
        severity: "error",
        code: "duplicate_tool_name",
        message: `two tools would be called ${JSON.stringify(name)} (${operation.method} ${operation.path} of ${api} is the second)`,
        position: rule.position,
        help: "give one of them another name in its rule",
      });
      continue;
    }
    owners.set(name.toLowerCase(), { api, explicit });
    names[index] = name;
  }
  return names;
}

type Draft = Selected & { readonly api: string; readonly prefix: string };

/** Names that the operator wrote are given first; then by method and path, never by position. */
function orderKey({ rule, api, operation: { method, path, fixedQuery } }: Draft): string {
  return `${rule.name === undefined ? 1 : 0} ${method} ${path}?${fixedQuery} ${api}`;
}

/** The gateway supplies it, so the model must not, even where the document does not say so. */
function withoutCredential(operation: Operation, credential: CredentialConfig): Operation {
  if (credential.kind !== "static") return operation;
  const nameOf = (where: string, name: string): string =>
    where === "header" ? name.toLowerCase() : name;
  const taken = nameOf(credential.in, credential.name);
  const parameters = operation.parameters.filter(
    (parameter) => parameter.in !== credential.in || nameOf(parameter.in, parameter.name) !== taken,
  );
  return { ...operation, parameters };
}

function compileValidate(
  entry: string,
  { places, hiddenProperties }: Pick<Layout, "places" | "hiddenProperties">,
  check: ReturnType<typeof createChecker>,
): (args: Parameters<Tool["validate"]>[0]) => readonly ArgIssue[] {
  let run: ReturnType<typeof check> | undefined;
  const compile = (): NonNullable<typeof run> => {
    const given = places.filter(({ source }) => source.kind === "model");
    const textual = given.filter(
      ({ target }) => target.kind === "parameter" && target.parameter.encoding.kind === "style",
    );
    const argument = given.find(({ target }) => target.kind === "body")?.key ?? "";
    const hidden = { argument, properties: hiddenProperties };
    return check(checkedSchema(schemaIn(entry), hidden), new Set(textual.map(({ key }) => key)));
  };
  return (args) => (run ??= compile())(args);
}
