import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, vi } from "vitest";
import { startApi, type TestApi } from "../world/api.ts";
import { readEnds, type AuditRecord } from "../world/audit.ts";
import { startIdp, type TestIdp } from "../world/idp.ts";
import { freePort, leaksToken } from "../world/world.ts";
import { runProgram, startProgram, type Ended, type Program } from "./program.ts";

// Every run of the program is a process of its own; several files at once make a small machine slow.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

export interface SiteOptions {
  readonly auth?: "oauth" | "none";
  /** YAML of `credential`; the default is an exchange, without login none. */
  readonly credential?: string;
  /** The audit log goes to the file `audit/audit.ndjson`; `stdout` is a second sink. */
  readonly auditToStdout?: boolean;
  readonly admin?: boolean;
}

/** A folder with gateway.yaml and its document, an API, an identity provider, and the program. */
export interface Site {
  readonly dir: string;
  /** Of the MCP endpoint, once `serve` runs. */
  readonly url: string;
  /** Of the operator's listener, where there is one. */
  readonly admin: string;
  readonly api: TestApi;
  readonly idp: TestIdp;
  readonly run: (args: readonly string[], env?: Readonly<Record<string, string>>) => Promise<Ended>;
  /** Killed at the end of the test, if it still runs. */
  readonly start: (args: readonly string[], env?: Readonly<Record<string, string>>) => Program;
  /** What callers did and how it ended. */
  readonly audit: () => Promise<readonly AuditRecord[]>;
  /** The whole audit log. */
  readonly auditText: () => Promise<string>;
  readonly edit: (file: string, change: (text: string) => string) => Promise<void>;
}

/** Every place a value can go to, so that nothing of a request is left out by accident. */
const shopSpec = `openapi: 3.1.0
info: {title: Shop, version: 1.0.0}
paths:
  /orders:
    get: {operationId: list_orders, summary: List orders, responses: {"200": {description: ok}}}
  /orders/{orderId}/items:
    post:
      operationId: add_item
      summary: Add an item
      parameters:
        - {name: orderId, in: path, required: true, schema: {type: string}}
        - {name: expand, in: query, schema: {type: array, items: {type: string}}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: page, in: query, schema: {type: integer}}
        - {name: X-Reason, in: header, schema: {type: string}}
        - {name: flavour, in: cookie, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [sku]
              properties:
                sku: {type: string}
                count: {type: integer}
                note: {type: string}
      responses: {"200": {description: ok, content: {application/json: {schema: {type: object}}}}}
  /orders/{orderId}:
    delete:
      operationId: delete_order
      parameters: [{name: orderId, in: path, required: true, schema: {type: string}}]
      responses: {"204": {description: gone}}
`;

const rules = `    tools:
      - operation: delete_order
        scopes: [orders:write]
      - operation: add_item
        args:
          page: {value: 3}
      - match: {methods: [GET]}
`;

export async function site(options: SiteOptions = {}): Promise<Site> {
  const [port, adminPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}/mcp`;
  const [api, idp] = await Promise.all([startApi(), startIdp(url)]);
  const dir = await mkdtemp(join(tmpdir(), "tollgate-cli-"));
  const { auth = "oauth", admin = true } = options;
  const exchange = auth === "oauth" ? "exchange: {client: gateway, audience: api}" : "none";
  const login = `{mode: oauth, scopes: [mcp:tools], issuers: [{issuer: "${idp.url}"}],
  clients: {gateway: {issuer: "${idp.url}", id: gw, auth: client_secret_basic, secret: "\${CLIENT_SECRET}"}}}`;
  await writeFile(join(dir, "shop.yaml"), shopSpec);
  await writeFile(
    join(dir, "gateway.yaml"),
    `version: 1
server: {url: "http://127.0.0.1:${port}"}
${admin ? `admin: {listen: "127.0.0.1:${adminPort}"}` : ""}
auth: ${auth === "oauth" ? login : "{mode: none}"}
apis:
  shop:
    spec: shop.yaml
    url: ${api.url}/v1
    credential:
      ${options.credential ?? exchange}
${auth === "oauth" ? rules : rules.replace(/ *scopes:.*\n/, "")}audit: {sinks: [{file: {dir: audit}}${options.auditToStdout ? ", stdout" : ""}]}
`,
  );
  const programs: Program[] = [];
  const secrets = { CLIENT_SECRET: "client-secret", API_KEY: "api-secret" };
  const start: Site["start"] = (args, env = {}) => {
    const program = startProgram(args, { cwd: dir, env: { ...secrets, ...env } });
    programs.push(program);
    return program;
  };
  const auditText = (): Promise<string> =>
    readFile(join(dir, "audit", "audit.ndjson"), "utf8").catch(() => "");
  onTestFinished(async () => {
    for (const { child } of programs) if (child.exitCode === null) child.kill("SIGKILL");
    const outputs = await Promise.all(programs.map(({ ended }) => ended));
    api.close();
    idp.close();
    const behind = [
      ...api.requests.map((seen) => JSON.stringify(seen)),
      ...outputs.flatMap(({ stdout, stderr }) => [stdout, stderr]),
      await auditText(),
    ];
    for (const token of idp.issued) {
      const leaks = behind.filter((text) => leaksToken(text, token));
      expect(leaks, "an access token of a caller got behind the gateway").toEqual([]);
    }
    const shown = outputs.flatMap(({ stdout, stderr }) => [stdout, stderr]);
    for (const secret of [...Object.values(secrets), "inner-"]) {
      expect(shown.filter((text) => text.includes(secret))).toEqual([]);
    }
    await rm(dir, { recursive: true });
  });
  return {
    dir,
    url,
    admin: `http://127.0.0.1:${adminPort}`,
    api,
    idp,
    start,
    run: (args, env) => start(args, env).ended,
    auditText,
    audit: async () => readEnds(await auditText()),
    async edit(file, change) {
      await writeFile(join(dir, file), change(await readFile(join(dir, file), "utf8")));
    },
  };
}

/** A folder without a gateway: for command lines that need none. */
export function runAnywhere(args: readonly string[]): Promise<Ended> {
  return runProgram(args, { cwd: tmpdir() });
}
