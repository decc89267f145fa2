import { expect, test } from "vitest";
import { AuthError } from "../../src/base/errors.ts";
import { compileChallenge } from "../../src/auth/challenge.ts";
import { compileAdvertised, compileMetadata } from "../../src/auth/metadata.ts";
import { issuerConfig, oauth, resource } from "./issuer.ts";

const metadataUrl = "https://mcp.acme.test/.well-known/oauth-protected-resource/mcp";
const advertise = compileAdvertised([issuerConfig("https://idp.test")], resource);
const refuse = compileChallenge({
  metadataUrl,
  scopes: ["mcp:tools", "offline_access"],
  advertise,
  dpop: false,
});
const from = `resource_metadata="${metadataUrl}"`;

const statuses = { missing_token: 401, invalid_token: 401, insufficient_scope: 403 } as const;

test.each<[keyof typeof statuses, string, string]>([
  ["missing_token", "no_token", `Bearer ${from}, scope="mcp:tools"`],
  [
    "invalid_token",
    "expired",
    `Bearer error="invalid_token", error_description="expired", ${from}, scope="mcp:tools"`,
  ],
  [
    "invalid_token",
    "wrong_audience",
    `Bearer error="invalid_token", error_description="wrong audience", ${from}, scope="mcp:tools"`,
  ],
  [
    "invalid_token",
    "unknown_key",
    `Bearer error="invalid_token", error_description="bad signature", ${from}, scope="mcp:tools"`,
  ],
  [
    "insufficient_scope",
    "baseline_scope_missing",
    `Bearer error="insufficient_scope", ${from}, scope="mcp:tools"`,
  ],
])("%s because of %s is challenged exactly", (code, reason, header) => {
  const { status, headers, body } = refuse(new AuthError(code, reason));
  expect(status).toBe(statuses[code]);
  expect(headers).toEqual({
    "content-type": "application/json",
    "cache-control": "no-store",
    "www-authenticate": header,
  });
  const words = reason === "unknown_key" ? "bad signature" : reason.replaceAll("_", " ");
  expect(body).toBe(`{"error":"${code}","error_description":"${words}"}`);
});

test("one challenge names the baseline and every scope of the operation", () => {
  const scopes = ["courses:write", "mcp:tools", "courses:read"];
  const { headers } = refuse(new AuthError("insufficient_scope", "tool_scope_missing", { scopes }));
  expect(headers["www-authenticate"]).toBe(
    `Bearer error="insufficient_scope", ${from}, scope="mcp:tools courses:write courses:read"`,
  );
});

test("a request that cannot be read is told so, and no scope would help", () => {
  const { status, headers } = refuse(new AuthError("invalid_request", "several_credentials"));
  expect(status).toBe(400);
  expect(headers["www-authenticate"]).toBe(
    `Bearer error="invalid_request", error_description="several credentials", ${from}`,
  );
});

test("while keys are missing the client shall wait, not log in again", () => {
  const refusal = refuse(new AuthError("temporarily_unavailable", "keys_unavailable"));
  expect(refusal).toEqual({
    status: 503,
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      "retry-after": "5",
    },
    body: '{"error":"temporarily_unavailable","error_description":"keys unavailable"}',
  });
});

test("without scopes the challenge has no scope", () => {
  const { headers } = compileChallenge({ metadataUrl, scopes: [], advertise, dpop: false })(
    new AuthError("missing_token", "no_token"),
  );
  expect(headers["www-authenticate"]).toBe(`Bearer ${from}`);
});

test("nothing configured can break out of the header", () => {
  const { headers } = compileChallenge({
    metadataUrl,
    scopes: ['a"b\\c', "d\r\nX: 1"],
    advertise,
    dpop: false,
  })(new AuthError("missing_token", "no_token"));
  expect(headers["www-authenticate"]).toBe(`Bearer ${from}, scope="a\\"b\\\\c d??X: 1"`);
});

test("the metadata of the only endpoint is at its own path and at the root", () => {
  const config = { ...oauth(issuerConfig("https://tenant.auth0.test/")), scopes: ["mcp:tools"] };
  expect(compileMetadata(config, { resource }, { only: true, certificates: false })).toEqual({
    url: metadataUrl,
    paths: ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"],
    body: `{"resource":"${resource}","authorization_servers":["https://tenant.auth0.test/"],"scopes_supported":["mcp:tools"],"bearer_methods_supported":["header"],"resource_name":"Tollgate"}`,
  });
});

test("one of several endpoints has no metadata at the root", () => {
  expect(
    compileMetadata(
      oauth(issuerConfig("https://idp.test")),
      { resource },
      { only: false, certificates: false },
    ).paths,
  ).toEqual(["/.well-known/oauth-protected-resource/mcp"]);
});

test("a resource without a path has its metadata at the root only, and keeps its spelling", () => {
  const config = { ...oauth(issuerConfig("https://idp.test")), scopes: ["a", "offline_access"] };
  const { url, paths, body } = compileMetadata(
    config,
    { resource: "https://mcp.acme.test" },
    { only: true, certificates: false },
  );
  expect(url).toBe("https://mcp.acme.test/.well-known/oauth-protected-resource");
  expect(paths).toEqual(["/.well-known/oauth-protected-resource"]);
  expect(JSON.parse(body)).toMatchObject({
    resource: "https://mcp.acme.test",
    scopes_supported: ["a"],
  });
});

test("scopes are advertised in full where the issuer wants them so", () => {
  const entra = issuerConfig("https://entra.test", {
    scopes: { from: ["scp"], prefix: "", advertise: "{resource}/", implies: new Map() },
  });
  const config = { ...oauth(entra), scopes: ["mcp.read", "offline_access"] };
  expect(
    JSON.parse(compileMetadata(config, { resource }, { only: true, certificates: false }).body),
  ).toMatchObject({
    scopes_supported: [`${resource}/mcp.read`],
  });
  const { headers } = compileChallenge({
    metadataUrl,
    scopes: ["mcp.read"],
    advertise: compileAdvertised([entra], resource),
    dpop: false,
  })(new AuthError("insufficient_scope", "tool_scope_missing", { scopes: ["mcp.write"] }));
  expect(headers["www-authenticate"]).toContain(
    `scope="${resource}/mcp.read ${resource}/mcp.write"`,
  );
});

test("what no token would change is refused without a challenge", () => {
  expect(refuse(new AuthError("access_denied", "claim_rule"))).toEqual({
    status: 403,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: '{"error":"access_denied","error_description":"claim rule"}',
  });
});
