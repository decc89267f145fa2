import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../src/base/errors.ts";
import type { Issue } from "../../src/base/issue.ts";
import type { Config } from "../../src/config/config.ts";
import type { Env } from "../../src/config/interpolate.ts";
import { loadConfig } from "../../src/config/load.ts";

export const privateKey = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n";

export const goodEnv: Env = {
  CLIENT_SECRET: "canary-client",
  API_KEY: "canary-key",
  API_PASSWORD: "canary-password",
};

/** Uses every section; what a test changes is on a line of its own. */
export const good = `version: 1
server:
  url: https://mcp.acme.com
  listen: 127.0.0.1:3000
admin:
  listen: 127.0.0.1:9091
auth:
  mode: oauth
  scopes: [mcp:tools]
  issuers:
    - issuer: https://sso.acme.com/realms/acme
      audience: https://mcp.acme.com/mcp
  clients:
    corp:
      issuer: https://sso.acme.com/realms/acme
      id: tollgate
      auth: client_secret_basic
      secret: \${CLIENT_SECRET}
    local:
      issuer: http://localhost:4000
      id: gateway
      auth: private_key_jwt
broker:
  issuer: http://localhost:4000
  listen: 127.0.0.1:4000
  upstream: dev
apis:
  courses:
    spec: specs/courses.yaml
    url: http://courses.internal:8080/v1
    credential:
      exchange: {client: corp, audience: courses-api, scope: [courses:read]}
    timeout: 10s
    tools:
      - operation: enrol
        name: enrol_in_course
        args:
          learnerId: {from: principal.sub}
      - match: {tags: [admin]}
        expose: false
      - match: {methods: [GET], paths: ["/courses/**"]}
  other:
    spec: specs/other.yaml
    credential:
      static:
        header: X-Api-Key
        value: \${API_KEY}
    tools:
      - operation: POST /things
limits:
  concurrency: 64
audit:
  sinks:
    - file: {dir: var/audit}
    - stdout: {}
`;

/** The good file with one piece of its text replaced. */
export function goodWith(from: string, to: string): string {
  if (!good.includes(from)) throw new Error(`not in the good file: ${from}`);
  return good.replace(from, () => to);
}

export interface TestFile {
  readonly text: string | Uint8Array;
  readonly mode: number;
}

export interface World {
  readonly directory: string;
  readonly file: string;
}

/** A directory with gateway.yaml and the files beside it. */
export async function makeWorld(
  text: string | Uint8Array,
  files: Readonly<Record<string, TestFile>> = {},
): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "tollgate-config-"));
  const file = join(directory, "gateway.yaml");
  await writeFile(file, text);
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(directory, name), content.text);
    await chmod(join(directory, name), content.mode);
  }
  return { directory, file };
}

export async function load(text: string, env: Env = goodEnv): Promise<Config> {
  const { file } = await makeWorld(text);
  return loadConfig(file, env);
}

/** The findings that keep the text from loading; empty when it loads. */
export async function issuesOf(
  text: string | Uint8Array,
  env: Env = goodEnv,
  files: Readonly<Record<string, TestFile>> = {},
): Promise<readonly Issue[]> {
  const { file } = await makeWorld(text, files);
  return findings(file, env);
}

export async function findings(file: string, env: Env): Promise<readonly Issue[]> {
  try {
    await loadConfig(file, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
}
