import type { AuthConfig, IssuerConfig, ServerConfig } from "../config.ts";
import {
  child,
  itemsOf,
  nameOf,
  quote,
  textOf,
  textsOf,
  writtenChild,
  type YamlNode,
} from "../node.ts";
import { isLoopback } from "../units.ts";
import { endpointRules, issuerRules } from "../url.ts";
import { checkUrl, durationOf, type Scope } from "./scope.ts";

export function compileAuth(scope: Scope, server: ServerConfig): AuthConfig {
  const auth = child(scope.root, "auth");
  if (textOf(child(auth, "mode")) === "none") return withoutTokens(scope, auth, server);
  const issuers = child(auth, "issuers");
  const items = itemsOf(issuers);
  if (auth !== undefined && issuers?.kind === "list" && items.length === 0)
    scope.problems.error({
      at: issuers.written ? nameOf(issuers) : nameOf(auth),
      code: "missing_key",
      message: 'auth needs at least one entry in "issuers": nobody could call',
      help: "or write mode: none, on a loopback listener",
    });
  checkUnique(scope, items);
  return {
    mode: "oauth",
    scopes: textsOf(child(auth, "scopes")),
    stepUp: child(auth, "stepUp")?.value !== false,
    issuers: items.map((item) => compileIssuer(scope, item)),
  };
}

/** Keys that say how to believe tokens would be ignored, and no key is. */
function withoutTokens(
  { problems }: Scope,
  auth: YamlNode | undefined,
  server: ServerConfig,
): AuthConfig {
  for (const key of ["scopes", "stepUp", "issuers"]) {
    const node = writtenChild(auth, key);
    if (node === undefined) continue;
    const message = `auth.${key} has no meaning with mode: none`;
    problems.error({ at: nameOf(node), code: "conflicting_keys", message });
  }
  const mode = child(auth, "mode");
  if (mode !== undefined && !isLoopback(server.listen.host))
    problems.error({
      at: mode,
      code: "insecure_listen",
      message: "auth.mode none is for a loopback listener only: everyone could call",
      help: "set server.listen to 127.0.0.1, or use mode: oauth",
    });
  return { mode: "none" };
}

function checkUnique({ problems }: Scope, items: readonly YamlNode[]): void {
  const seen = new Set<string>();
  for (const item of items) {
    const node = child(item, "issuer");
    const issuer = textOf(node);
    if (node === undefined || issuer === undefined) continue;
    if (seen.has(issuer)) {
      const message = `auth.issuers has ${quote(node)} twice`;
      problems.error({ at: node, code: "duplicate_item", message });
    }
    seen.add(issuer);
  }
}

function compileIssuer({ problems }: Scope, item: YamlNode): IssuerConfig {
  return {
    issuer: checkUrl(child(item, "issuer"), issuerRules, problems) ?? "",
    audience: textsOf(child(item, "audience")),
    typ: textOf(child(item, "typ")) === "any" ? "any" : "at+jwt",
    algorithms: textsOf(child(item, "algorithms")),
    jwksUrl: checkUrl(child(item, "jwksUrl"), endpointRules, problems),
    clockSkewMs: durationOf(child(item, "clockSkew"), { min: "0s", max: "120s" }, problems),
    allowMachine: child(item, "allowMachine")?.value === true,
  };
}
