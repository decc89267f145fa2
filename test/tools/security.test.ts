import { expect, test } from "vitest";
import { world } from "../world/world.ts";

const securitySchemes = {
  key: { type: "apiKey", in: "header", name: "X-Key" },
  inQuery: { type: "apiKey", in: "query", name: "key" },
  inCookie: { type: "apiKey", in: "cookie", name: "sid" },
  basic: { type: "http", scheme: "Basic" },
  bearer: { type: "http", scheme: "BEARER" },
  oauth: { type: "oauth2", flows: {} },
  oidc: { type: "openIdConnect", openIdConnectUrl: "https://idp.test" },
  mtls: { type: "mutualTLS" },
};
const secret = "'${CLIENT_SECRET}'";
const exchange = "exchange: {client: gateway, audience: api}";
const header = `static: {header: x-key, value: ${secret}}`;
const basic = `static: {basic: {username: me, password: ${secret}}}`;

test.each([
  { security: [{ key: [] }], credential: header, met: true },
  { security: [{ key: [] }], credential: exchange, met: false },
  { security: [{ inQuery: [] }], credential: `static: {query: key, value: ${secret}}`, met: true },
  { security: [{ inQuery: [] }], credential: `static: {query: KEY, value: ${secret}}`, met: false },
  {
    security: [{ inCookie: [] }],
    credential: `static: {cookie: sid, value: ${secret}}`,
    met: true,
  },
  { security: [{ basic: [] }], credential: basic, met: true },
  { security: [{ bearer: [] }], credential: basic, met: false },
  { security: [{ bearer: [] }], credential: `static: {bearer: ${secret}}`, met: true },
  { security: [{ bearer: [] }], credential: exchange, met: true },
  { security: [{ oauth: ["a"] }], credential: exchange, met: true },
  { security: [{ oidc: [] }], credential: exchange, met: true },
  { security: [{ mtls: [] }], credential: exchange, met: false },
  { security: [{ oauth: [] }, { key: [] }], credential: header, met: true },
  { security: [{ oauth: [], key: [] }], credential: header, met: false },
  { security: [{ key: [] }, {}], credential: "none", met: true },
  { security: [], credential: "none", met: true },
  { security: [{ undefinedScheme: [] }], credential: "none", met: true },
])("$security with $credential: met $met", async ({ security, credential, met }) => {
  const operations = { get: { security }, post: { security } };
  const spec = { paths: { "/x": operations }, components: { securitySchemes } };
  const { gateway } = await world({ spec, credential });
  const told = gateway.snapshot.warnings.filter(({ code }) => code === "credential_mismatch");
  const wanted = security.map((one) => Object.keys(one).join(" and ")).join(", or ");
  expect(told.map(({ message }) => message)).toEqual(
    met ? [] : [`2 operations of api ask for ${wanted}, which its credential does not supply`],
  );
});

test.each([401, 403])(
  "an API that answers %d is asked for what the document names",
  async (status) => {
    const operation = (security: readonly object[]): object => ({ get: { security } });
    const paths = {
      "/unmet": { ...operation([{ key: [], oauth: [] }, { basic: [] }]) },
      "/met": { ...operation([{ oauth: [] }]) },
    };
    const credential = `static: {bearer: ${secret}}`;
    const made = await world({ spec: { paths, components: { securitySchemes } }, credential });
    made.api.answer = (_, response) => void response.writeHead(status).end();
    const textOf = async (tool: string): Promise<string> =>
      (await made.call(tool)).content.map(({ text }) => text).join("");
    expect(await textOf("get_unmet")).toContain(
      "The API asks for key and oauth, or basic, which the gateway is not configured to supply; do not retry.",
    );
    expect(await textOf("get_met")).toContain("The gateway's credential was rejected");
  },
);

test("what a credential or the connection decides is no argument", async () => {
  const text = { type: "string" };
  const names = [
    "Authorization",
    "x-KEY",
    "Host",
    "Cookie",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Upgrade",
    "Accept",
    "Content-Type",
    "X-Mine",
  ];
  const parameters = [
    ...names.map((name) => ({ name, in: "header", required: true, schema: text })),
    { name: "key", in: "query", schema: text },
    { name: "sid", in: "cookie", schema: text },
  ];
  const operation = {
    operationId: "op",
    parameters,
    security: [{ key: [], inQuery: [] }, { inCookie: [] }],
  };
  const spec = { paths: { "/x": { get: operation } }, components: { securitySchemes } };
  const { gateway } = await world({ spec, credential: header });
  const schema = gateway.snapshot.catalog.tools.get("op")?.inputSchema;
  expect(Object.keys(schema?.["properties"] ?? {})).toEqual(["X-Mine"]);
  expect(schema?.["required"]).toEqual(["X-Mine"]);
});

test("S82: a key in the query is in no error, log or audit line", async () => {
  const credential = `static: {query: key, value: ${secret}}`;
  const it = await world({ spec: { paths: { "/x": { get: { operationId: "op" } } } }, credential });
  it.api.close();
  const { isError, content } = await it.call("op");
  expect(isError).toBe(true);
  const told = [JSON.stringify(content), ...it.logs, JSON.stringify(await it.audit())].join("\n");
  expect(told).not.toContain("client-secret");
});
