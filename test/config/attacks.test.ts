import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ConfigError } from "../../src/base/errors.ts";
import { inspect } from "../../src/gateway.ts";
import { world } from "../world/world.ts";

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

interface Tried {
  /** Lines of gateway.yaml below `apis.api`. */
  readonly api?: string;
  readonly tools?: string;
  readonly top?: string;
  readonly server?: string;
  readonly spec?: object;
  readonly env?: Readonly<Record<string, string>>;
}

const text = { type: "string" };
const order = {
  operationId: "find_orders",
  parameters: [
    { name: "region", in: "query", schema: text },
    { name: "tags", in: "query", schema: { type: "array", items: text } },
    { name: "weight", in: "query", schema: { type: "number" } },
  ],
};

/** Codes of what keeps this configuration from serving; the messages of all in `said`. */
async function tryOut(
  given: Tried,
): Promise<{ readonly codes: readonly string[]; readonly said: string }> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-config-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const document = {
    openapi: "3.1.0",
    info: { title: "t", version: "1" },
    paths: { "/orders": { get: order } },
  };
  await writeFile(join(dir, "spec.json"), JSON.stringify(given.spec ?? document));
  const file = join(dir, "gateway.yaml");
  await writeFile(
    file,
    `version: 1
server: {url: "http://127.0.0.1:3000", ${given.server ?? ""}}
auth: {mode: none}
apis:
  api:
    spec: spec.json
    url: http://127.0.0.1:9
    credential: none
    ${given.api ?? ""}
    tools: ${given.tools ?? '[{match: {paths: ["/**"]}}]'}
${given.top ?? ""}
`,
  );
  const options = {
    file,
    env: given.env ?? {},
    info: { name: "tollgate", version: "0" },
    ports: { now: () => Date.now(), log },
    fetch: globalThis.fetch,
  };
  try {
    const { warnings } = await inspect(options);
    return { codes: [], said: warnings.map(({ message }) => message).join("\n") };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const errors = error.issues.filter(({ severity }) => severity === "error");
    return { codes: errors.map(({ code }) => code), said: error.message };
  }
}

const rule = (args: string): string => `[{operation: find_orders, args: {${args}}}]`;

test.each([
  ["a name twice", rule("region: {header: A}, weight: {header: a}")],
  ["a list", rule("tags: {header: Tags}")],
  ["a line end in the name", rule(String.raw`region: {header: "A\r\nB"}`)],
  ["an argument that nobody sends", rule("region: {value: eu, header: Region}")],
])(
  "S29 a header argument with %s is a finding, and nothing serves with it",
  async (_what, tools) => {
    const { codes } = await tryOut({ tools });
    expect(codes.length).toBeGreaterThan(0);
  },
);

test("S29 a good header argument is none", async () => {
  expect((await tryOut({ tools: rule("region: {header: Region}") })).codes).toEqual([]);
});

test.each([
  ["a tag", "x-a: !!js/function 'f'"],
  ["a merge key", "x-a: &a {b: 1}\nx-c: {<<: *a}"],
  ["a repeated key", "x-a: 1\nx-a: 2"],
])("S57 %s in gateway.yaml makes no object of its own", async (what, top) => {
  const { codes } = await tryOut({ top });
  // A merge key is a key like any other: what it would merge stays where it is.
  expect(codes.length > 0).toBe(what !== "a merge key");
});

test("S97 a variable that holds YAML is one scalar, whatever is in it", async () => {
  const evil =
    'http://127.0.0.1:9\n    credential: {static: {bearer: x}}\n    tools: [{match: {paths: ["/admin"]}}]';
  const { codes, said } = await tryOut({
    api: "description: x",
    server: 'allowedHosts: ["${EVIL}"]',
    env: { EVIL: evil },
  });
  expect(codes.length).toBeGreaterThan(0);
  expect(said).not.toContain("/admin");
});

test.each([
  ["an api", { api: "rejectUnauthorized: false" }],
  ["an api", { api: "insecure: true" }],
  ["an api", { api: "tls: {rejectUnauthorized: false}" }],
  ["the server", { server: "rejectUnauthorized: false" }],
])("S103 %s has no key that turns certificate checks off: %j", async (_where, given) => {
  expect((await tryOut(given)).codes).toContain("unknown_key");
});

test.each(["0.0.0.0:3000", "[::]:3000", ":3000", "192.0.2.1:3000"])(
  "S105 without login a listener at %s does not start",
  async (listen) => {
    expect((await tryOut({ server: `listen: "${listen}"` })).codes.length).toBeGreaterThan(0);
  },
);

test("S99 code in names, patterns, values and descriptions of a document is text", async () => {
  const hostile = [
    "`+(globalThis.hacked=1)+`",
    "${globalThis.hacked=1}",
    '");globalThis.hacked=1;("',
    "');globalThis.hacked=1;('",
    "*/globalThis.hacked=1;/*",
    "\\u2028globalThis.hacked=1",
    "{{constructor.constructor('globalThis.hacked=1')()}}",
  ];
  const properties = Object.fromEntries(
    hostile.map((name) => [
      name,
      { type: "string", description: name, enum: [...hostile, "ok"], default: name, title: name },
    ]),
  );
  const at = await world({
    credential: "none",
    spec: {
      info: { title: hostile[0] ?? "", version: hostile[1] ?? "" },
      paths: {
        "/things": {
          post: {
            operationId: "add_thing",
            summary: hostile.join(" "),
            description: hostile.join("\n"),
            requestBody: {
              content: {
                "application/json": {
                  schema: {
                    type: "object",
                    additionalProperties: false,
                    required: [hostile[0]],
                    properties: {
                      ...properties,
                      note: { type: "string", pattern: "^[a-z`'\"$]*$", format: hostile[2] },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  });
  const good = Object.fromEntries(hostile.map((name) => [name, "ok"]));
  expect((await at.call("add_thing", { body: { ...good, note: "a`'" } })).isError).toBeUndefined();
  expect(JSON.parse(at.api.requests[0]?.body ?? "")).toEqual({ ...good, note: "a`'" });
  const refused = await at.call("add_thing", {
    body: { [hostile[0] ?? ""]: hostile[3], note: "A" },
  });
  expect(refused.isError).toBe(true);
  expect("hacked" in globalThis).toBe(false);
});
