import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createBrowser } from "../../examples/demo/browser.ts";
import type { JsonObject } from "../../src/base/json.ts";
import { createGateway } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/log.ts";
import { answerJson } from "../world/api.ts";
import { readRecords, type AuditRecord } from "../world/audit.ts";
import { freePort } from "../world/world.ts";
import { startCompany, type Company } from "./company.ts";
import { createHolder, type Holder } from "./holder.ts";
import { fromCompany, left } from "./office.ts";

interface Firm {
  readonly company: Company;
  /** Bearer tokens that the company's own API was called with. */
  readonly seen: readonly string[];
  /** Of the next requests to that API, instead of an answer. */
  readonly refuse: (count: number) => void;
  readonly holder: Holder;
  readonly call: () => Promise<{ readonly status: number; readonly result: JsonObject }>;
  readonly audit: () => Promise<readonly AuditRecord[]>;
}

/** A gateway whose people log in at their company, in front of an API of that company. */
async function firm(): Promise<Firm> {
  const [port, brokerPort] = [await freePort(), await freePort()];
  const broker = `http://localhost:${brokerPort}`;
  const company = await startCompany({ redirectUri: `${broker}/idp/callback` });
  const seen: string[] = [];
  let refusals = 0;
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    seen.push(req.headers.authorization?.replace("Bearer ", "") ?? "");
    if (refusals-- > 0) return void res.writeHead(401).end();
    const me = await fetch(`${company.issuer}/me`, {
      headers: { authorization: req.headers.authorization ?? "" },
    });
    if (me.status !== 200) return void res.writeHead(401).end();
    answerJson(res, { who: ((await me.json()) as { readonly sub: string }).sub });
  };
  const api = createServer((req, res) => void answer(req, res));
  await new Promise<void>((done) => void api.listen(0, "127.0.0.1", done));
  const dir = await mkdtemp(join(tmpdir(), "tollgate-firm-"));
  const document = {
    openapi: "3.1.0",
    info: { title: "Company", version: "1" },
    paths: { "/me": { get: { operationId: "who_am_i" } } },
  };
  await writeFile(join(dir, "spec.json"), JSON.stringify(document));
  await writeFile(
    join(dir, "gateway.yaml"),
    `version: 1
server: {url: "http://localhost:${port}"}
auth:
  scopes: [mcp:tools]
  issuers: [{issuer: "${broker}"}]
  clients:
    corp: {issuer: "${company.issuer}", id: broker, auth: client_secret_basic, secret: "\${SECRET}"}
broker:
  issuer: ${broker}
  upstream: {acme: {client: corp, title: Acme}}
apis:
  company:
    spec: spec.json
    url: http://127.0.0.1:${(api.address() as AddressInfo).port}
    credential: {connection: {login: acme}}
    tools: [{operation: who_am_i}]
audit: {sinks: [{file: {dir: audit}}]}
`,
  );
  const lines: string[] = [];
  const gateway = await createGateway({
    file: join(dir, "gateway.yaml"),
    env: { SECRET: "company-secret" },
    info: { name: "tollgate", version: "0.0.0-test" },
    ports: { now: () => Date.now(), log: createLog((line) => void lines.push(line), "debug") },
    fetch: globalThis.fetch,
    pressure: undefined,
    writeAudit: async () => {},
  });
  await gateway.listen();
  const auditText = (): Promise<string> => readFile(join(dir, "audit", "audit.ndjson"), "utf8");
  onTestFinished(async () => {
    await gateway.close();
    api.closeAllConnections();
    api.close();
    const said = `${lines.join("\n")}${await auditText()}`;
    const leaks = seen.filter((token) => said.includes(token));
    expect(leaks, "a token of the company got into a log").toEqual([]);
    await rm(dir, { recursive: true });
  });
  const holder = await createHolder(broker, async (url) => {
    const browser = createBrowser();
    const consent = await browser.open(url);
    const login = await browser.open(left(await browser.click(consent, "decision", "allow")));
    return left(await browser.open(await fromCompany(browser, login, "carol")));
  });
  return {
    company,
    seen,
    holder,
    refuse: (count) => {
      refusals = count;
    },
    async call() {
      const response = await fetch(`http://localhost:${port}/mcp`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${holder.accessToken()}`,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
        },
        body: JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "tools/call",
          params: { name: "who_am_i", arguments: {} },
        }),
      });
      const body = (await response.json()) as { readonly result?: JsonObject };
      return { status: response.status, result: body.result ?? {} };
    },
    audit: async () => readRecords(await auditText()),
  };
}

test("an API of the identity provider gets the token of the caller's login, and never the caller's", async () => {
  const at = await firm();
  const { status, result } = await at.call();
  expect([status, result["isError"], result["structuredContent"]]).toEqual([
    200,
    undefined,
    { who: "carol" },
  ]);
  expect(at.seen).toHaveLength(1);
  expect(at.seen[0]).not.toBe(at.holder.accessToken());
  await at.call();
  expect(at.seen[1]).toBe(at.seen[0]);
  const asked = (await at.audit()).filter(({ event }) => event === "token.exchange");
  expect(asked).toMatchObject([
    { outcome: "success", exchange: { api: "company", client: "corp" } },
  ]);
  expect(JSON.stringify(asked)).toContain("acme|carol");
});

test("one that the API refuses is renewed at the provider, and the call sent once more", async () => {
  const at = await firm();
  await at.call();
  at.refuse(1);
  expect((await at.call()).result["structuredContent"]).toEqual({ who: "carol" });
  expect(at.seen).toHaveLength(3);
  expect(at.seen[1]).toBe(at.seen[0]);
  expect(at.seen[2]).not.toBe(at.seen[0]);
  // And a second refusal is the API's last word.
  at.refuse(2);
  expect((await at.call()).result["isError"]).toBe(true);
});

test("a person who left the company is sent to log in again, and their grant ends", async () => {
  const at = await firm();
  await at.call();
  at.company.people.delete("carol");
  at.refuse(1);
  expect((await at.call()).status).toBe(401);
  expect(await at.holder.refresh()).toBe(400);
  const ended = (await at.audit()).filter(({ event }) => event === "broker.action");
  expect(ended).toContainEqual(
    expect.objectContaining({
      outcome: "success",
      broker: expect.objectContaining({ action: "revoke", sub: "acme|carol" }),
    }),
  );
  expect((await at.call()).status).toBe(401);
});
