import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { redirectAllowed, type RedirectRules } from "./redirect.ts";

/** RFC 7591 §3.2.2. */
export interface RegistrationRefusal {
  readonly error: "invalid_redirect_uri" | "invalid_client_metadata";
  readonly error_description: string;
}

const maxRedirects = 16;
const maxName = 256;
const authMethods = ["none", "client_secret_basic", "client_secret_post"];
const grantTypes = ["authorization_code", "refresh_token"];

/**
 * The part of a registration request that is registered (RFC 7591 §2 lets the server replace the
 * rest). Clients ask for grants and scopes of every server they ever met; a strict server would
 * turn them away. `scope` is left out on purpose: it would keep the client from stepping up to a
 * scope that it learns of later. URLs that somebody could make us fetch or show are dropped.
 */
export function filterRegistration(
  request: JsonValue,
  rules: RedirectRules,
): JsonObject | RegistrationRefusal {
  if (!isJsonObject(request)) return refuse("the body must be a JSON object");
  const redirects = request["redirect_uris"];
  if (!isTextList(redirects) || redirects.length === 0 || redirects.length > maxRedirects) {
    return refuseRedirect(`redirect_uris must hold 1 to ${maxRedirects} URIs`);
  }
  if (!redirects.every((uri) => redirectAllowed(uri, rules))) {
    return refuseRedirect(
      "only loopback, cursor: and well-known clients' redirect URIs may register",
    );
  }
  const method = request["token_endpoint_auth_method"] ?? "client_secret_basic";
  if (typeof method !== "string" || !authMethods.includes(method)) {
    return refuse(`token_endpoint_auth_method must be one of ${authMethods.join(", ")}`);
  }
  const grants = request["grant_types"] ?? ["authorization_code"];
  if (!isTextList(grants) || !grants.includes("authorization_code")) {
    return refuse("grant_types must include authorization_code");
  }
  const name = request["client_name"];
  return {
    redirect_uris: redirects,
    token_endpoint_auth_method: method,
    grant_types: grantTypes.filter((grant) => grants.includes(grant)),
    response_types: ["code"],
    // Clients with a loopback or private-scheme redirect often forget to say that they are native.
    application_type: redirects.every((uri) => uri.startsWith("https:")) ? "web" : "native",
    ...(typeof name === "string" && name !== "" ? { client_name: name.slice(0, maxName) } : {}),
  };
}

export function isRefusal(
  filtered: JsonObject | RegistrationRefusal,
): filtered is RegistrationRefusal {
  return "error" in filtered;
}

function isTextList(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function refuse(description: string): RegistrationRefusal {
  return { error: "invalid_client_metadata", error_description: description };
}

function refuseRedirect(description: string): RegistrationRefusal {
  return { error: "invalid_redirect_uri", error_description: description };
}
