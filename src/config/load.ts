import { dirname, resolve } from "node:path";
import { ConfigError } from "../base/errors.ts";
import { checkListeners } from "./compile/listeners.ts";
import { brokerIssuer, compileBroker } from "./compile/broker.ts";
import { compileAdmin, compileMetrics, compileServer } from "./compile/server.ts";
import { compileApis } from "./compile/apis.ts";
import { compileAudit } from "./compile/audit.ts";
import { compileLimits } from "./compile/limits.ts";
import { compileTelemetry } from "./compile/telemetry.ts";
import { compileAuth } from "./compile/auth.ts";
import { compileClients, compileSigningKeys } from "./compile/clients.ts";
import { checkConnections, compileConnections } from "./compile/connections.ts";
import { compileEndpoints } from "./compile/endpoints.ts";
import { compileReplicas } from "./compile/replicas.ts";
import type { Scope } from "./compile/scope.ts";
import { checkCallTimeout } from "./compile/timeouts.ts";
import type { Config } from "./config.ts";
import { expandPresets } from "./presets.ts";
import { parseDocument } from "./document.ts";
import { type Env, interpolate, type Sources } from "./interpolate.ts";
import { compileWhen } from "./compile/rule.ts";
import { child, textOf, type YamlNode } from "./node.ts";
import { createProblems, type Problems } from "./problems.ts";
import { gatewaySchema } from "./schema/gateway.ts";
import { correctSpelling } from "./spelling.ts";
import { readTextFile } from "./text-file.ts";
import { readTree } from "./tree.ts";
import { validateTree } from "./validate.ts";

const maxFileBytes = 2 * 1024 * 1024;

/**
 * Reads gateway.yaml: everything it means, or everything that is wrong with it.
 *
 * @param file Path as the operator gave it; positions name it so.
 * @param env For `${VAR}`; nothing else is read from it.
 * @throws ConfigError every finding at once, sorted by position. Messages never show a value that
 *   came from a variable or a file.
 */
export async function loadConfig(file: string, env: Env): Promise<Config> {
  return (await readConfig(file, env)).config;
}

/** The same, with the tree that it was made of. @throws ConfigError */
export async function readConfig(
  file: string,
  env: Env,
): Promise<{ readonly config: Config; readonly root: YamlNode }> {
  const problems = createProblems();
  const absolute = resolve(file);
  const sources: Sources = { env, directory: dirname(absolute), files: new Map() };
  const root = await readRoot(file, sources, problems);
  const meaning = root && compileTree({ root, directory: sources.directory, problems });
  const errors = problems.errors();
  if (root === undefined || meaning === undefined || errors.length > 0)
    throw new ConfigError([...errors, ...problems.warnings()]);
  const config = {
    ...meaning,
    file: absolute,
    files: [absolute, ...sources.files.keys()],
    warnings: problems.warnings(),
  };
  return { config, root };
}

type Meaning = Omit<Config, "file" | "files" | "warnings">;

/** gateway.yaml with everything filled in, checked against the schema. */
async function readRoot(
  file: string,
  sources: Sources,
  problems: Problems,
): Promise<YamlNode | undefined> {
  const read = await readTextFile(resolve(file), maxFileBytes);
  if (!read.ok) {
    const message = `cannot read ${file}: ${read.reason}`;
    const help = "name the file with -c, or in TOLLGATE_CONFIG";
    problems.error({ at: undefined, code: read.code, message, help });
    return undefined;
  }
  const document = parseDocument(read.text, file, problems);
  const tree = document && readTree(document, problems);
  if (tree === undefined) return undefined;
  const corrected = correctSpelling(tree, gatewaySchema, problems);
  const filled = await interpolate(corrected, gatewaySchema, sources, problems);
  const root = expandPresets(filled);
  validateTree(root, gatewaySchema, problems);
  return root;
}

function compileTree(scope: Scope): Meaning {
  const server = compileServer(scope);
  const admin = compileAdmin(scope);
  const metrics = compileMetrics(scope);
  const issuer = brokerIssuer(scope);
  const clients = compileClients(scope, issuer);
  const broker = compileBroker(scope, { issuer, server, clients });
  checkListeners(scope, [
    { section: "server", listen: server.listen },
    ...(admin ? [{ section: "admin", listen: admin.listen }] : []),
    ...(metrics ? [{ section: "metrics", listen: metrics.listen }] : []),
    ...(broker?.listen ? [{ section: "broker", listen: broker.listen }] : []),
  ]);
  const apis = compileApis(scope, clients);
  const auth = compileAuth(scope, { server, clients, brokerIssuer: issuer });
  const connections = compileConnections(scope, { clients, auth, apis });
  const limits = compileLimits(scope);
  checkCallTimeout(scope, limits);
  checkConnections(scope);
  return {
    server,
    admin,
    metrics,
    auth,
    when: compileWhen(child(child(scope.root, "auth"), "when")),
    clients,
    signingKeys: compileSigningKeys(scope),
    broker,
    connections,
    apis,
    trust: textOf(child(scope.root, "trust")) === "locked" ? "locked" : "auto",
    specsDir: resolve(scope.directory, textOf(child(scope.root, "specsDir")) ?? ""),
    endpoints: compileEndpoints(scope, { server, auth, apis }),
    limits,
    replicas: compileReplicas(scope, { apis, connections }),
    audit: compileAudit(scope),
    telemetry: compileTelemetry(scope),
  };
}
