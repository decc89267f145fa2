import { readFile } from "node:fs/promises";
import { AuthError, CallError, UnknownToolError } from "../base/errors.ts";
import { parseExactly, readCarried } from "../base/exact-number.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Principal } from "../base/principal.ts";
import { anonymous } from "../auth/anonymous.ts";
import type { Consent } from "../call/consent.ts";
import { createGateway, inspect } from "../gateway.ts";
import type { Endpoint, Snapshot } from "../gateway/snapshot.ts";
import { maskCredential } from "../upstream/credential/masked-credential.ts";
import { showRequest, type ShownRequest } from "../upstream/request/shown-request.ts";
import { allowed, explainCall, formatExplanation, type Verdict } from "./explain.ts";
import { exitCodes, printLine, UsageError, type ExitCode, type Io } from "./io.ts";
import { readPrincipal } from "./principal.ts";
import { createPorts, fromHere, gatewayOptions, quietPorts, writerOf } from "./setup.ts";
import { type BlockReply, blocksOf } from "../upstream/reply/reply.ts";
import { askOnTerminal, consentBefore } from "./agree.ts";

export interface CallOptions {
  readonly config: string;
  /** `k=v`; a value is read as JSON where the argument is not text. */
  readonly pairs: readonly string[];
  /** A JSON object, or `@file`. */
  readonly args: string | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
  /** Agrees to the call beforehand, where somebody has to. */
  readonly yes: boolean;
  /** An access token for this gateway, or `@file`. */
  readonly token: string | undefined;
  /** A pretended caller, or an access token, or `@file`; only with `dryRun`. */
  readonly as: string | undefined;
}

export async function call(tool: string, options: CallOptions, io: Io): Promise<ExitCode> {
  try {
    if (options.dryRun) return await dryRun(tool, options, io);
    return await callTool(tool, options, io);
  } catch (error) {
    if (error instanceof CallError || error instanceof UnknownToolError) {
      printLine(io.stderr, error.message);
      return exitCodes.refused;
    }
    if (error instanceof AuthError) {
      const scopes = error.scopes.length > 0 ? ` (needs ${error.scopes.join(" ")})` : "";
      printLine(io.stderr, `${error.code}: ${error.reason}${scopes}`);
      return exitCodes.refused;
    }
    throw error;
  }
}

/**
 * The request exactly as it would be sent, secrets masked; nothing is sent to the API. For the
 * caller of a real token also why: who it is, whether they may, and each token on the way.
 */
async function dryRun(name: string, options: CallOptions, io: Io): Promise<ExitCode> {
  const snapshot = await inspect(gatewayOptions(io, options.config, quietPorts));
  const endpoint = endpointOf(snapshot, name);
  const token = await readToken(options.as);
  const principal =
    token === undefined
      ? pretend(snapshot, options)
      : await endpoint.authenticate.authenticateToken(token);
  const prepare = async (): Promise<ShownRequest> => {
    const tool = snapshot.catalog.tools.get(name);
    const api = snapshot.config.apis.find(({ id }) => id === tool?.api);
    const credential = maskCredential(api?.credential ?? { kind: "none" });
    const args = await readArgs(snapshot, name, options);
    const { origin, request } = endpoint.road.prepare(
      { ...fromHere, cancel: undefined, tool: name, args, principal, onProgress: undefined },
      credential,
    );
    return showRequest(origin, request);
  };
  if (token === undefined) {
    const shown = await prepare();
    printLine(io.stdout, options.json ? JSON.stringify(shown) : formatRequest(shown));
    return exitCodes.ok;
  }
  const made = await prepare().catch(verdictOf);
  const refused = "allowed" in made;
  const policy = refused ? made : allowed;
  const explain = explainCall(snapshot, endpoint, name, { principal, policy });
  if (options.json)
    printLine(io.stdout, JSON.stringify(refused ? { explain } : { ...made, explain }));
  else {
    const request = refused ? [] : [formatRequest(made)];
    printLine(io.stdout, [...request, formatExplanation(explain)].join("\n\n"));
  }
  return refused ? exitCodes.refused : exitCodes.ok;
}

function formatRequest({ method, url, headers, body }: ShownRequest): string {
  const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}`);
  const rest = body === null ? [] : ["", body];
  return [`${method} ${url}`, ...lines, ...rest].join("\n");
}

/** A refusal is part of the answer; anything else is not. */
function verdictOf(error: unknown): Verdict {
  if (error instanceof AuthError)
    return { allowed: false, reason: error.reason, needs: error.scopes };
  if (error instanceof CallError) return { allowed: false, reason: error.code, needs: [] };
  if (error instanceof UnknownToolError)
    return { allowed: false, reason: "unknown_tool", needs: [] };
  throw error;
}

/** The token in `--as`, or in the file that it names; undefined: pairs that make a caller up. */
async function readToken(as: string | undefined): Promise<string | undefined> {
  const text = as === undefined ? undefined : (await readText(as)).trim();
  return text !== undefined && /^[\w-]+\.[\w-]+\.[\w-]*$/.test(text) ? text : undefined;
}

/** The first endpoint that has the tool; for a tool that there is none of, the first. */
function endpointOf({ endpoints }: Snapshot, tool: string): Endpoint {
  const found = endpoints.find(({ catalog }) => catalog.tools.has(tool)) ?? endpoints[0];
  if (found === undefined) throw new TypeError("a configuration without endpoint");
  return found;
}

function pretend(snapshot: Snapshot, { as, token }: CallOptions): Principal {
  const { auth } = snapshot.config;
  if (token !== undefined) {
    throw new UsageError("--token is for real calls; with --dry-run say who with --as");
  }
  if (as !== undefined) return readPrincipal(as, auth.mode === "oauth" ? auth.scopes : []);
  if (auth.mode === "none") return anonymous;
  throw new UsageError("say who calls: --as 'sub=alice,scope=…'");
}

async function callTool(name: string, options: CallOptions, io: Io): Promise<ExitCode> {
  if (options.as !== undefined) throw new UsageError("--as is only for --dry-run; use --token");
  const gateway = await createGateway({
    ...gatewayOptions(io, options.config, createPorts(io, "warn")),
    writeAudit: writerOf(io.stderr),
    pressure: undefined,
  });
  try {
    const { snapshot } = gateway;
    const given = options.token ?? io.env["TOLLGATE_TOKEN"];
    if (given === undefined && snapshot.config.auth.mode === "oauth") {
      throw new UsageError("an access token is needed: --token T, --token @file or TOLLGATE_TOKEN");
    }
    const token = given === undefined ? undefined : await readText(given);
    const endpoint = endpointOf(snapshot, name);
    const principal = await gateway.believe(token?.trim(), "cli", endpoint.path);
    const args = await readArgs(snapshot, name, options);
    const send = async (consent: Consent): Promise<BlockReply> =>
      blocksOf(
        await endpoint.road.callTool({
          ...fromHere,
          cancel: undefined,
          tool: name,
          args,
          consent,
          principal,
          onProgress: ({ progress, total, message }) => {
            const of = total === undefined ? "" : ` of ${total}`;
            printLine(io.stderr, `${progress}${of} ${message ?? ""}`.trimEnd());
          },
        }),
      );
    const first = await send(consentBefore(options.yes, io));
    const { question } = first;
    const reply = question ? await send(await askOnTerminal(question, io)) : first;
    if (options.json) {
      const { content, structured, isError } = reply;
      // As the API wrote it: every digit of it.
      const value = structured === undefined ? "" : `,"structuredContent":${structured.json}`;
      const shown = `{"content":${JSON.stringify(content)}${value},"isError":${isError}}`;
      printLine(io.stdout, shown);
    } else {
      for (const block of reply.content) {
        printLine(io.stdout, block.type === "text" ? block.text : `[${block.type}]`);
      }
    }
    return reply.isError ? exitCodes.refused : exitCodes.ok;
  } finally {
    await gateway.close();
  }
}

async function readArgs(
  snapshot: Snapshot,
  name: string,
  { args, pairs }: CallOptions,
): Promise<JsonObject> {
  const base = args === undefined ? {} : parseObject(await readText(args));
  const schema = snapshot.catalog.tools.get(name)?.inputSchema["properties"];
  const properties = isJsonObject(schema) ? schema : {};
  const named = pairs.map((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) throw new UsageError(`${pair} is not name=value`);
    const key = pair.slice(0, at);
    return [key, readValue(pair.slice(at + 1), properties[key])] as const;
  });
  return readCarried({ ...base, ...Object.fromEntries(named) });
}

function readValue(text: string, schema: JsonValue | undefined): JsonValue {
  const type = isJsonObject(schema) ? schema["type"] : undefined;
  if (type === "string") return text;
  try {
    return parseExactly(text);
  } catch {
    return text;
  }
}

function parseObject(text: string): JsonObject {
  try {
    const value = parseExactly(text);
    if (isJsonObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new UsageError("--args must be a JSON object");
}

async function readText(text: string): Promise<string> {
  if (!text.startsWith("@")) return text;
  try {
    return await readFile(text.slice(1), "utf8");
  } catch (cause) {
    throw new UsageError(`cannot read ${text.slice(1)}`, { cause });
  }
}
