import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { answerJson } from "../world/api.ts";
import { readRecords } from "../world/audit.ts";
import { requestBytes, sendRaw } from "../http/raw.ts";
import { freePort, world, type World } from "../world/world.ts";

const id = { name: "id", in: "path", required: true, schema: { type: "integer" } };
const spec = { paths: { "/orders/{id}": { get: { operationId: "get_order", parameters: [id] } } } };

interface Admin {
  readonly at: World;
  readonly get: (path: string) => Promise<Response>;
  /** Value of one series; undefined when it does not exist. */
  readonly value: (series: string) => Promise<number | undefined>;
}

async function admin(): Promise<Admin> {
  const port = await freePort();
  const at = await world({ spec, extra: { top: `admin: {listen: "127.0.0.1:${port}"}` } });
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
  return {
    at,
    get,
    async value(series) {
      const text = await (await get("/metrics")).text();
      const line = text.split("\n").find((one) => one.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
  };
}

const call = 'mcp_method_name="tools/call",gen_ai_tool_name="get_order"';

test("calls, refusals and requests to the API are counted by tool, code and address", async () => {
  const { at, value } = await admin();
  at.api.answer = (request, response) => {
    if (request.path === "/orders/9") answerJson(response, { no: 1 }, 503);
    else answerJson(response, { id: 7 });
  };
  for (const order of [1, 2, 3, 9]) await at.call("get_order", { id: order });
  await at.call("get_order", { id: "x" });
  await expect(at.call("no_such_tool")).rejects.toMatchObject({ status: 200 });
  await at.post("{}", { authorization: "Bearer a.b.c" });
  const address = `server_address="${new URL(at.api.url).host}",http_request_method="GET"`;
  const expected = {
    [`mcp_server_operation_duration_seconds_count{${call},network_transport="tcp"}`]: 3,
    [`mcp_server_operation_duration_seconds_count{${call},error_type="tool_error",network_transport="tcp"}`]: 2,
    [`mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="_other",error_type="-32602",rpc_response_status_code="-32602",network_transport="tcp"}`]: 1,
    [`http_client_request_duration_seconds_count{${address},http_response_status_code="200"}`]: 3,
    [`http_client_request_duration_seconds_count{${address},http_response_status_code="503",error_type="503"}`]: 1,
    'tollgate_authz_decisions_total{decision="allow"}': 5,
    'tollgate_authz_decisions_total{decision="deny",reason="unknown_tool"}': 1,
    'tollgate_authn_total{result="accepted"}': 6,
    'tollgate_authn_total{result="refused",reason="malformed_token"}': 1,
    'tollgate_inflight_requests{kind="call"}': 0,
    'tollgate_tools{source="api"}': 1,
    'tollgate_token_exchange_total{upstream="api",result="success"}': 4,
    tollgate_token_cache_misses_total: 4,
    tollgate_token_cache_hits_total: 0,
    [`tollgate_jwks_refresh_total{issuer="${at.idp.url}",result="success"}`]: 1,
    [`tollgate_jwks_refresh_total{issuer="${at.idp.url}",result="failure"}`]: 0,
    tollgate_audit_dropped_total: 0,
    tollgate_audit_queue_depth: 0,
    tollgate_config_last_reload_successful: 1,
  };
  for (const [series, count] of Object.entries(expected)) {
    expect.soft([series, await value(series)]).toEqual([series, count]);
  }
  const lines = (await at.auditText()).trim().split("\n").length;
  expect(await value('tollgate_audit_records_total{sink="file",result="written"}')).toBe(lines);
});

test("a token that was asked for has a record: for whom, for which API, and why there is none", async () => {
  const { at, value } = await admin();
  at.api.answer = (_, response) => answerJson(response, {});
  const authorization = `Bearer ${await at.idp.token({ sub: "alice" })}`;
  const params = { name: "get_order", arguments: { id: 1 } };
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  for (let i = 0; i < 3; i++) await (await at.post(body, { authorization })).text();
  at.idp.exchange = () => ({ status: 400, body: { error: "invalid_target" } });
  await at.call("get_order", { id: 1 }, { sub: "bob" });
  const exchanges = readRecords(await at.auditText()).filter(
    ({ event }) => event === "token.exchange",
  );
  const exchange = { api: "api", client: "gateway", duration_ms: expect.any(Number) as number };
  expect(exchanges).toMatchObject([
    { outcome: "success", actor: { sub: "alice" }, exchange },
    { outcome: "failure", reason: "invalid_target", actor: { sub: "bob" }, exchange },
  ]);
  expect(await value("tollgate_token_cache_hits_total")).toBe(2);
  expect(await value('tollgate_token_exchange_total{upstream="api",result="failure"}')).toBe(1);
});

test("an answer of which the model gets a part is counted, once", async () => {
  const { at, value } = await admin();
  const long = "x".repeat(200_000);
  at.api.answer = (request, response) => {
    if (request.path === "/orders/1") answerJson(response, { long });
    else if (request.path === "/orders/2") {
      response.writeHead(200, { "content-type": "multipart/mixed; boundary=b" });
      const part = `--b\r\ncontent-type: text/plain\r\n\r\n${long}\r\n`;
      response.end(`${part}${part}--b--\r\n`);
    } else answerJson(response, { id: 3 });
  };
  const counted: (number | undefined)[] = [];
  for (const order of [3, 1, 2, 3]) {
    await at.call("get_order", { id: order });
    counted.push(await value("tollgate_upstream_response_truncated_total"));
  }
  expect(counted.map((count) => count ?? 0)).toEqual([0, 1, 2, 2]);
});

test("what clients choose makes no series without bound", async () => {
  const { at, get } = await admin();
  for (let i = 0; i < 40; i++) {
    await at.post(
      { jsonrpc: "2.0", id: i, method: "tools/call", params: { name: `tool_${i}` } },
      { "mcp-protocol-version": `20${10 + i}-01-01` },
    );
  }
  const text = await (await get("/metrics")).text();
  expect(text).not.toContain("tool_1");
  expect(text.match(/^mcp_server_operation_duration_seconds_count/gm)?.length ?? 0).toBeLessThan(
    20,
  );
});

test("/config/status says what serves and what was refused last", async () => {
  const { at, get, value } = await admin();
  const file = join(at.dir, "gateway.yaml");
  const good = await readFile(file, "utf8");
  const status = async (): Promise<object> =>
    (await (await get("/config/status")).json()) as object;
  const { generation } = at.gateway.snapshot;
  expect(await status()).toMatchObject({
    generation,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    applied_at: expect.stringMatching(/Z$/),
    candidate: null,
  });
  await writeFile(file, good.replace("spec: spec.json", "spec: nowhere.json"));
  expect(await at.gateway.reload()).toMatchObject({ outcome: "refused" });
  expect(await status()).toMatchObject({
    generation,
    candidate: { error: expect.stringContaining("nowhere.json"), at: expect.any(String) },
  });
  expect(await value("tollgate_config_last_reload_successful")).toBe(0);
  expect(await value('tollgate_config_reloads_total{result="failure"}')).toBe(1);
  await writeFile(file, `${good}# changed\n`);
  expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
  const after = await status();
  expect(after).toMatchObject({ generation: at.gateway.snapshot.generation, candidate: null });
  expect(after).not.toMatchObject({ generation });
  expect(await value("tollgate_config_last_reload_successful")).toBe(1);
  expect(
    await value(`tollgate_config_generation_info{sha256="${at.gateway.snapshot.generation}"}`),
  ).toBe(1);
});

test("a refused reload leaves the keys of the issuers that serve", async () => {
  const { at, value } = await admin();
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(
    join(at.dir, "key.pem"),
    privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    { mode: 0o600 },
  );
  const file = join(at.dir, "gateway.yaml");
  const good = await readFile(file, "utf8");
  const other = "https://other.test";
  const proves = 'auth: private_key_jwt, algorithm: RS256, key: "${file:key.pem}"';
  const bad = good
    .replace(`issuers: [{issuer: "${at.idp.url}", }`, () => {
      const asks = "tokens: introspect, introspection: {client: asker}";
      return `issuers: [{issuer: "${other}", ${asks}}`;
    })
    .replace("clients: {", () => `clients: {asker: {issuer: "${other}", id: a, ${proves}}, `);
  await writeFile(file, bad);
  expect(await at.gateway.reload()).toMatchObject({
    outcome: "refused",
    issues: [{ code: "invalid_client_key" }],
  });
  expect(await value(`tollgate_jwks_keys{issuer="${at.idp.url}"}`)).toBe(1);
  await at.call("get_order", { id: 1 });
});

test("/livez and /readyz", async () => {
  const { get } = await admin();
  expect(await (await get("/livez")).json()).toEqual({ status: "ok" });
  expect(await (await get("/readyz?verbose")).json()).toEqual({
    status: "ok",
    checks: { keys: "ok", audit: "ok", load: "ok", shutdown: "ok" },
  });
});

test("metrics.listen is for scrapers by any name and for no browser, and has health and metrics alone", async () => {
  const port = await freePort();
  const at = await world({ spec, extra: { top: `metrics: {listen: "0.0.0.0:${port}"}` } });
  const origin = `http://127.0.0.1:${port}`;
  const ask = async (path: string, ...headers: string[]): Promise<number> =>
    (await sendRaw(origin, requestBytes(origin, { method: "GET", path, headers }))).status;
  const scraper = "Host: tollgate.monitoring.svc";
  for (const path of ["/livez", "/readyz", "/metrics"]) {
    expect([path, await ask(path, scraper)]).toEqual([path, 200]);
    expect([path, await ask(path, scraper, "Sec-Fetch-Site: same-origin")]).toEqual([path, 403]);
    expect([path, await ask(path, scraper, "Origin: http://evil.test")]).toEqual([path, 403]);
  }
  for (const path of ["/config/status", "/mcp", "/"])
    expect([path, await ask(path, scraper)]).toEqual([path, 404]);
  await at.call("get_order", { id: 1 });
  expect(await (await fetch(`${origin}/metrics`)).text()).toContain(
    'tollgate_authz_decisions_total{decision="allow"} 1',
  );
  await at.gateway.close();
  await expect(fetch(`${origin}/livez`)).rejects.toThrow("fetch failed");
});

test("who connects to metrics.listen and says nothing is let go, so that others find a place", async () => {
  const port = await freePort();
  await world({ spec, extra: { top: `metrics: {listen: "127.0.0.1:${port}"}` } });
  let said = "";
  const silent = connect(port, "127.0.0.1").setEncoding("utf8");
  silent.on("data", (text: string) => (said += text));
  await once(silent, "close");
  expect(said).toMatch(/^HTTP\/1\.1 408 /);
});
