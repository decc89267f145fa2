import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createGateway, type Gateway } from "../../src/gateway.ts";
import { startApi, type TestApi } from "../world/api.ts";

/** A gateway in front of a real HTTP server, with every operation of one published document. */
export interface Served {
  readonly gateway: Gateway;
  readonly api: TestApi;
  readonly close: () => Promise<void>;
}

export const basePath = "/base";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export async function serve(spec: string): Promise<Served> {
  const directory = await mkdtemp(join(tmpdir(), "corpus-"));
  const api = await startApi();
  const file = join(directory, "gateway.yaml");
  await writeFile(join(directory, "overlay.yaml"), everythingHere);
  await writeFile(file, gatewayYaml(spec, api.url));
  const gateway = await createGateway({
    file,
    env: {},
    info: { name: "tollgate", version: "0.0.0-test" },
    ports: { now: () => Date.now(), log: silent },
    fetch: globalThis.fetch,
    writeAudit: async () => {},
    pressure: undefined,
  });
  return {
    gateway,
    api,
    async close() {
      await gateway.close();
      api.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** Operations with a server of their own are sent to the one that listens. */
const everythingHere = `
overlay: 1.0.0
info: { title: One server, version: "1" }
actions:
  - { target: "$.paths.*.servers", remove: true }
  - { target: "$.paths.*.*.servers", remove: true }
`;

function gatewayYaml(spec: string, url: string): string {
  return `
version: 1
server: { url: "http://127.0.0.1:3000" }
auth: { mode: none }
audit: { sinks: [stdout] }
apis:
  api:
    spec: ${JSON.stringify(spec)}
    overlays: [overlay.yaml]
    url: ${url}${basePath}
    credential: none
    tools: [{ match: { paths: ["/**"] } }]
`;
}
