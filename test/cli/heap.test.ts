import { expect, test } from "vitest";
import { site } from "./site.ts";

/** Says at SIGUSR2 how large the young generation is, both halves. */
const preload = `import { getHeapSpaceStatistics } from "node:v8";
process.on("SIGUSR2", () => {
  const { space_size: size } = getHeapSpaceStatistics().find((one) => one.space_name === "new_space");
  process.stderr.write(size + " bytes young\\n");
});`;

const operations = Array.from(
  { length: 1_000 },
  (_, i) => `  /things/${i}/{id}:
    get:
      operationId: get_thing_${i}
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: limit, in: query, schema: {type: integer, minimum: 1, maximum: 100}}
      responses: {"200": {description: ok}}
`,
).join("");

test("a start with a thousand tools leaves the young generation at half of what V8 would take, and less", async () => {
  const at = await site({ auth: "none" });
  await at.edit("shop.yaml", (text) => text.replace("paths:\n", `paths:\n${operations}`));
  const server = at.start(["serve"], {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}`,
  });
  await server.until("stderr", '"listening"');
  expect(server.output().stderr).toContain('"tools":1003');
  server.child.kill("SIGUSR2");
  await server.until("stderr", " bytes young");
  const size = Number(/^(\d+) bytes young$/m.exec(server.output().stderr)?.[1]);
  expect(size).toBeGreaterThan(0);
  expect(size).toBeLessThanOrEqual(16 * 1024 * 1024);
});
