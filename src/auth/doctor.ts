import { AuthError } from "../base/errors.ts";
import { escapeText } from "../base/text.ts";
import type { JsonObject } from "../base/json.ts";
import type { Ports } from "../base/ports.ts";
import type { AuthConfig } from "../config/types/auth.ts";
import { adviseOn } from "./advice.ts";
import type { Authenticate } from "./authenticate.ts";
import type { Fetch, KeyProblemCode } from "./document.ts";
import { decodeJws } from "./jws.ts";
import { noKeyStore } from "./key-store.ts";
import { createKeySets } from "./keysets.ts";

/** One thing looked at. */
export interface Finding {
  readonly check: "issuer" | "metadata" | "challenge" | "token";
  readonly verdict: "ok" | "problem";
  /** Stable and snake_case; `ok` without a problem. */
  readonly code: string;
  readonly message: string;
  /** What to change; undefined when nothing is wrong. */
  readonly fix: string | undefined;
}

type OAuthConfig = Extract<AuthConfig, { readonly mode: "oauth" }>;

const fixes: Readonly<Record<KeyProblemCode, string>> = {
  issuer_mismatch: "write issuer exactly as the metadata has it; a slash at the end counts",
  issuer_unreachable: "check the URL, DNS, the proxy and the firewall between gateway and issuer",
  jwks_url_refused: "add the host to jwks.hosts, or write jwksUrl",
  metadata_invalid: "check the issuer's URL: its metadata must be below it; or write jwksUrl",
  jwks_invalid: "check that jwksUrl is a JWK set with at least one signing key",
};

/** Whether each issuer can be found and has keys. */
export async function examineIssuers(
  { issuers }: OAuthConfig,
  fetch: Fetch,
  ports: Ports,
): Promise<readonly Finding[]> {
  const signed = issuers
    .filter(({ tokens }) => tokens !== "introspect")
    .map((issuer) => ({ ...issuer, jwks: { ...issuer.jwks, startup: "require" as const } }));
  const sets = createKeySets(signed, { fetch, store: noKeyStore }, ports);
  await sets.load();
  return sets.states().map(({ issuer, keys, problem }): Finding => {
    if (problem === undefined) return ok("issuer", `${issuer} publishes ${keys} usable keys`);
    const { code, message } = problem;
    return { check: "issuer", verdict: "problem", code, message, fix: fixes[code] };
  });
}

/** One endpoint as its clients see it: what it answers without a token, and where that leads. */
export async function examineEndpoint(
  endpoint: { readonly resource: string; readonly metadataUrl: string },
  fetch: typeof globalThis.fetch,
): Promise<readonly Finding[]> {
  const { resource, metadataUrl } = endpoint;
  const send = async (url: string, method: string): Promise<Response | undefined> => {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      return await fetch(url, { method, redirect: "manual", signal });
    } catch {
      return undefined;
    }
  };
  const challenged = await send(resource, "POST");
  if (challenged === undefined)
    return [
      fault("challenge", "gateway_unreachable", {
        message: `${resource} does not answer`,
        fix: "start the gateway; check server.url, DNS, TLS and the proxy in front",
      }),
    ];
  const findings = [judgeChallenge(challenged, endpoint)];
  await challenged.body?.cancel();
  const response = await send(metadataUrl, "GET");
  findings.push(await judgeMetadata(response, endpoint));
  return findings;
}

const timeoutMs = 5_000;

interface Seen {
  readonly resource: string;
  readonly metadataUrl: string;
}

function judgeChallenge(response: Response, { resource, metadataUrl }: Seen): Finding {
  const header = response.headers.get("www-authenticate") ?? "";
  if (response.status === 403)
    return fault("challenge", "host_not_allowed", {
      message: `${resource} answers 403 before it looks at a token`,
      fix: "let the proxy pass the Host header on, or add its name to server.allowedHosts",
    });
  if (response.status !== 401)
    return fault("challenge", "not_challenged", {
      message: `${resource} answers ${response.status} without a token, not 401`,
      fix: "check that server.url leads to this gateway, with no redirect and no login page in front",
    });
  if (!/^Bearer /i.test(header))
    return fault("challenge", "challenge_missing", {
      message: `${resource} answers 401 without a Bearer challenge`,
      fix: "let the proxy pass WWW-Authenticate on",
    });
  if (!header.includes(`resource_metadata="${metadataUrl}"`))
    return fault("challenge", "challenge_elsewhere", {
      message: "the challenge names other metadata than gateway.yaml",
      fix: "restart the gateway with this gateway.yaml, or correct server.url",
    });
  return ok("challenge", `${resource} answers 401 and names its metadata`);
}

async function judgeMetadata(response: Response | undefined, seen: Seen): Promise<Finding> {
  const { resource, metadataUrl } = seen;
  if (response?.status !== 200)
    return fault("metadata", "metadata_missing", {
      message: `${metadataUrl} answers ${response?.status ?? "nothing"}`,
      fix: "let the proxy pass /.well-known/oauth-protected-resource to the gateway",
    });
  const text = await response.text();
  let found: unknown;
  try {
    found = (JSON.parse(text) as JsonObject)["resource"];
  } catch {
    found = undefined;
  }
  if (found !== resource)
    return fault("metadata", "metadata_resource", {
      message: `${metadataUrl} is not the metadata of ${resource}`,
      fix: "correct server.url, or the proxy that rewrites it",
    });
  return ok("metadata", `${metadataUrl} names ${resource}`);
}

/** Which rule accepts or refuses a token, at the first endpoint that believes it. */
export async function examineToken(
  text: string,
  config: OAuthConfig,
  endpoints: readonly {
    readonly resource: string;
    readonly authenticate: Authenticate;
  }[],
): Promise<Finding> {
  const refusals: { readonly resource: string; readonly error: AuthError }[] = [];
  for (const { resource, authenticate } of endpoints) {
    try {
      const { sub, clientId, scopes } = await authenticate.authenticateToken(text);
      const who = escapeText(`${sub} by client ${clientId ?? "-"}`, 200);
      const what = escapeText([...scopes].join(" "), 500);
      return ok("token", `accepted at ${resource}: ${who}, scopes ${what || "-"}`);
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      refusals.push({ resource, error });
    }
  }
  // What is refused for more than its audience tells more.
  const [first] = refusals.toSorted(
    (a, b) =>
      Number(a.error.reason === "wrong_audience") - Number(b.error.reason === "wrong_audience"),
  );
  if (first === undefined) throw new TypeError("a configuration without endpoint");
  const jws = tryDecode(text);
  const { cause, fix, code } = adviseOn({
    reason: first.error.reason,
    text,
    claims: jws?.claims,
    issuer: config.issuers.find(({ issuer }) => issuer === jws?.claims["iss"]),
    issuers: config.issuers,
    resource: first.resource,
    scopes: config.scopes,
  });
  const said = jws === undefined ? "" : ` (${describe(jws.claims)})`;
  const message = `refused at ${first.resource}, ${first.error.reason}: ${cause}${said}`;
  return fault("token", code, { message, fix });
}

function tryDecode(text: string): ReturnType<typeof decodeJws> | undefined {
  try {
    return decodeJws(text);
  } catch {
    return undefined;
  }
}

/** The claims that mistakes are about; never a name or an address of a person. */
function describe(claims: JsonObject): string {
  return ["iss", "aud", "azp", "client_id", "scope", "scp"]
    .filter((name) => claims[name] !== undefined)
    .map((name) => `${name} ${escapeText(JSON.stringify(claims[name]), 200)}`)
    .join(", ");
}

function ok(check: Finding["check"], message: string): Finding {
  return { check, verdict: "ok", code: "ok", message, fix: undefined };
}

function fault(
  check: Finding["check"],
  code: string,
  { message, fix }: { readonly message: string; readonly fix: string },
): Finding {
  return { check, verdict: "problem", code, message, fix };
}
