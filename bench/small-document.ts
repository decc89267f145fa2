import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A gateway.yaml in `directory` that serves every operation of a document. @returns Its path. */
export async function writeGateway(
  directory: string,
  name: string,
  { spec, port }: { readonly spec: string; readonly port: number },
): Promise<string> {
  const file = join(directory, `${name}.yaml`);
  const config = {
    version: 1,
    server: { url: `http://127.0.0.1:${port}` },
    auth: { mode: "none" },
    audit: { sinks: ["stdout"] },
    apis: {
      api: {
        spec,
        url: "http://127.0.0.1:9",
        credential: "none",
        // One operation of GitHub's uploads there.
        allowedHosts: ["uploads.github.com"],
        tools: [{ match: { paths: ["/**"] } }],
      },
    },
  };
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** As above, over a document of `count` operations. */
export async function writeSmallGateway(
  directory: string,
  count: number,
  port: number,
): Promise<string> {
  const spec = join(directory, `small-${count}.json`);
  await writeFile(spec, JSON.stringify(smallDocument(count)));
  return writeGateway(directory, `small-${count}`, { spec, port });
}

/** Operations as small services have them: a path parameter, a filter, a body of two properties. */
function smallDocument(count: number): object {
  const paths = Array.from({ length: count }, (_, i) => {
    const id = { name: "id", in: "path", required: true, schema: { type: "string" } };
    const limit = {
      name: "limit",
      in: "query",
      schema: { type: "integer", minimum: 1, maximum: 100 },
    };
    const schema = { $ref: `#/components/schemas/Item${i % 50}` };
    const post = {
      operationId: `update_item_${i}`,
      summary: `Update item ${i}`,
      parameters: [id, limit],
      requestBody: { required: true, content: { "application/json": { schema } } },
      responses: { 200: { description: "The item" } },
    };
    return [`/things/kind${i}/{id}`, { post }];
  });
  const schemas = Array.from({ length: 50 }, (_, i) => [
    `Item${i}`,
    {
      type: "object",
      properties: { name: { type: "string" }, size: { type: "integer" } },
      required: ["name"],
    },
  ]);
  return {
    openapi: "3.1.0",
    info: { title: "Small", version: "1" },
    paths: Object.fromEntries(paths) as object,
    components: { schemas: Object.fromEntries(schemas) as object },
  };
}
