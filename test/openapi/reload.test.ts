import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import { createGateway, type Gateway } from "../../src/gateway.ts";
import { createLog } from "../../src/observe/log.ts";
import { document, newDir } from "./load-text.ts";

const overlay = (summary: string): string =>
  `overlay: 1.0.0\nactions: [{target: $.paths.*.get, update: {summary: ${summary}}}]`;

const gatewayYaml = `version: 1
server: {url: "http://localhost:3000", listen: 127.0.0.1:0}
auth: {mode: none}
apis:
  a:
    spec: specs/api.yaml
    overlays: [o.yaml]
    url: http://localhost:8080
    credential: none
    tools: [{match: {methods: [GET]}}]
audit: {sinks: [{stdout: {}}]}
`;

test.each([
  ["an overlay", "o.yaml", overlay("two"), "two"],
  ["a file that a file refers to", "specs/b.yaml", "type: string", "one"],
])(
  "F41: a change of %s is seen by a reload, and a broken one keeps the last good",
  async (_, name, text, title) => {
    const dir = await newDir();
    const files = {
      "gateway.yaml": gatewayYaml,
      "o.yaml": overlay("one"),
      "specs/api.yaml": document("/a: {get: {operationId: list_a}}\n/b: {$ref: a.yaml}"),
      "specs/a.yaml":
        "get: {operationId: get_b, parameters: [{name: q, in: query, schema: {$ref: b.yaml}}]}",
      "specs/b.yaml": "type: integer",
    };
    await mkdir(join(dir, "specs"));
    for (const [file, content] of Object.entries(files)) await writeFile(join(dir, file), content);
    const gateway = await createGateway({
      file: join(dir, "gateway.yaml"),
      env: {},
      info: { name: "tollgate", version: "0" },
      ports: { now: () => Date.now(), log: createLog(() => {}, "error") },
      fetch: globalThis.fetch,
      writeAudit: async () => {},
      pressure: undefined,
    });
    expect(gateway.snapshot.files).toEqual(
      expect.arrayContaining(
        ["o.yaml", "specs/api.yaml", "specs/a.yaml", "specs/b.yaml"].map((file) => join(dir, file)),
      ),
    );
    expect((await gateway.reload()).outcome).toBe("unchanged");
    await writeFile(join(dir, name), text);
    expect(await gateway.reload()).toMatchObject({ outcome: "applied", toolsChanged: true });
    expect(titleOf(gateway)).toBe(title);
    await writeFile(join(dir, "o.yaml"), "overlay: 9.9.9");
    expect((await gateway.reload()).outcome).toBe("refused");
    expect(titleOf(gateway)).toBe(title);
    await writeFile(join(dir, "o.yaml"), overlay("three"));
    expect((await gateway.reload()).outcome).toBe("applied");
    expect(titleOf(gateway)).toBe("three");
    await gateway.close();
  },
);

function titleOf({ snapshot }: Gateway): unknown {
  const { entry = "{}" } = snapshot.catalog.tools.get("list_a") ?? {};
  return (JSON.parse(entry) as { readonly title?: string }).title;
}
