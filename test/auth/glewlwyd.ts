import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { freePort } from "../world/world.ts";

/** Tables and an administrator, as the package installs them. */
const schema = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";

/** Why its tests cannot run here; undefined: they can. */
export function glewlwydAbsent(): string | undefined {
  const missing = ["glewlwyd", "sqlite3"].filter(
    (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0,
  );
  if (missing.length > 0) return `not installed: Debian package ${missing.join(", ")}`;
  return existsSync(schema) ? undefined : `there is no ${schema}`;
}

interface Tokens {
  readonly access_token: string;
  readonly id_token: string;
}

/** glewlwyd on loopback: an authorization server that nobody here wrote. */
export interface Glewlwyd {
  readonly issuer: string;
  readonly client: { readonly id: string; readonly secret: string };
  /** Alice logs in by authorization code and PKCE. `dpop` makes the proof for the token endpoint. */
  readonly logIn: (
    resource: string,
    dpop?: (method: string, url: string) => Promise<string>,
  ) => Promise<Tokens>;
  /** What the redirect says when it refuses. */
  readonly refusedLogin: (resource: string) => Promise<string | null>;
  /** A token of the client alone. */
  readonly machineToken: (resource: string) => Promise<string>;
  readonly revoke: (token: string) => Promise<void>;
  /** Ends the session of an ID token; glewlwyd then tells the client at this URL. */
  readonly logOut: (idToken: string, backChannel: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

const client = {
  client_id: "agent",
  name: "agent",
  confidential: true,
  client_secret: "agent-secret",
  enabled: true,
  authorization_type: ["code", "client_credentials"],
  redirect_uri: ["http://127.0.0.1:9/callback"],
  token_endpoint_auth_method: ["client_secret_basic"],
  scope: ["mcp:tools"],
};

/** @param resources What tokens may be for. */
export async function startGlewlwyd(resources: readonly string[]): Promise<Glewlwyd> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  const port = await freePort();
  const api = `http://127.0.0.1:${port}/api`;
  const issuer = `${api}/oidc`;
  const database = join(dir, "database");
  execFileSync("sqlite3", [database], { input: readFileSync(schema) });
  await writeFile(join(dir, "glewlwyd.conf"), configuration(port, database));
  const program = spawn("glewlwyd", [`--config-file=${join(dir, "glewlwyd.conf")}`], {
    stdio: "ignore",
  });
  const exited = new Promise<void>((resolve) => program.once("exit", () => resolve()));
  // Whatever becomes of the test, it does not outlive the process that runs it.
  process.once("exit", () => program.kill());

  const send = async (method: string, path: string, body: object, cookie = ""): Promise<Response> =>
    fetch(`${api}${path}`, {
      method,
      headers: { "content-type": "application/json", cookie },
      body: JSON.stringify(body),
    });
  const session = async (username: string, password: string): Promise<string> => {
    const response = await send("POST", "/auth/", { username, password });
    expect(response.status).toBe(200);
    return response.headers
      .getSetCookie()
      .map((value) => value.split(";", 1)[0])
      .join("; ");
  };
  await vi.waitFor(() => fetch(`${api}/config`), { timeout: 15_000, interval: 100 });
  const admin = await session("admin", "password");
  const make = async (path: string, body: object): Promise<void> => {
    const response = await send("POST", path, body, admin);
    expect(response.status, `${path}: ${await response.text()}`).toBe(200);
  };
  await make("/scope/", {
    name: "mcp:tools",
    display_name: "tools",
    password_required: false,
    scheme: {},
  });
  await make("/mod/plugin/", plugin(issuer, resources));
  const password = randomBytes(12).toString("hex");
  const scope = ["g_profile", "openid", "mcp:tools"];
  await make("/user/", { username: "alice", name: "Alice", password, enabled: true, scope });
  await make("/client/", client);
  const alice = await session("alice", password);
  await send("PUT", `/auth/grant/${client.client_id}`, { scope: "openid mcp:tools" }, alice);

  const basic = `Basic ${Buffer.from("agent:agent-secret").toString("base64")}`;
  const post = async (
    path: string,
    form: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<unknown> => {
    const response = await fetch(`${issuer}${path}`, {
      method: "POST",
      headers: { authorization: basic, ...headers },
      body: new URLSearchParams(form),
    });
    const text = await response.text();
    expect(response.status, `${path}: ${text}`).toBe(200);
    return text === "" ? undefined : JSON.parse(text);
  };
  const authorize = async (resource: string, verifier: string): Promise<URLSearchParams> => {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: client.client_id,
      redirect_uri: client.redirect_uri[0] ?? "",
      scope: "openid mcp:tools",
      state: "state",
      nonce: "nonce",
      resource,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      g_continue: "",
    });
    const response = await fetch(`${issuer}/auth?${query.toString()}`, {
      redirect: "manual",
      headers: { cookie: alice },
    });
    return new URL(response.headers.get("location") ?? "").searchParams;
  };

  return {
    issuer,
    client: { id: client.client_id, secret: client.client_secret },
    async logIn(resource, dpop) {
      const verifier = randomBytes(32).toString("base64url");
      const code = (await authorize(resource, verifier)).get("code");
      const form = {
        grant_type: "authorization_code",
        code: code ?? "",
        redirect_uri: client.redirect_uri[0] ?? "",
        client_id: client.client_id,
        code_verifier: verifier,
        resource,
      };
      const proof = dpop && { dpop: await dpop("POST", `${issuer}/token`) };
      return (await post("/token", form, proof)) as Tokens;
    },
    refusedLogin: async (resource) => (await authorize(resource, "v".repeat(43))).get("error"),
    async machineToken(resource) {
      const form = { grant_type: "client_credentials", scope: "mcp:tools", resource };
      return ((await post("/token", form)) as Tokens).access_token;
    },
    revoke: async (token) => void (await post("/revoke", { token })),
    async logOut(idToken, backChannel) {
      const told = { ...client, backchannel_logout_uri: backChannel };
      expect((await send("PUT", `/client/${client.client_id}`, told, admin)).status).toBe(200);
      const [, payload = ""] = idToken.split(".");
      const { sid } = JSON.parse(Buffer.from(payload, "base64url").toString()) as { sid: string };
      expect((await send("DELETE", `/oidc/session/${sid}`, {}, alice)).status).toBe(200);
    },
    async stop() {
      program.kill();
      await exited;
      await rm(dir, { recursive: true });
    },
  };
}

function configuration(port: number, database: string): string {
  return `port=${port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:${port}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="ERROR"
cookie_secure=0
session_expiration=3600
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database = { type = "sqlite3"; path = "${database}"; };
`;
}

function plugin(issuer: string, resources: readonly string[]): object {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    module: "oidc",
    name: "oidc",
    display_name: "oidc",
    parameters: {
      iss: issuer,
      "jwt-type": "ecdsa",
      "jwt-key-size": "256",
      key: privateKey.export({ type: "pkcs8", format: "pem" }),
      cert: publicKey.export({ type: "spki", format: "pem" }),
      "access-token-duration": 300,
      "refresh-token-duration": 3600,
      "code-duration": 60,
      "refresh-token-rolling": true,
      "allow-non-oidc": true,
      "auth-type-code-enabled": true,
      "auth-type-token-enabled": false,
      "auth-type-id-token-enabled": true,
      "auth-type-client-enabled": true,
      "auth-type-refresh-enabled": true,
      "pkce-allowed": true,
      "resource-allowed": true,
      "resource-scope": { "mcp:tools": resources },
      "resource-scope-and-client-property": false,
      "introspection-revocation-allowed": true,
      "introspection-revocation-allow-target-client": true,
      "oauth-dpop-allowed": true,
      "oauth-dpop-iat-duration": 60,
      "session-management-allowed": true,
      "session-cookie-name": "GLEWLWYD2_OIDC_SID",
      "session-cookie-expiration": 3600,
      "back-channel-logout-allowed": true,
      "client-backchannel_logout_uri-parameter": "backchannel_logout_uri",
    },
  };
}
