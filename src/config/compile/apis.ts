import { resolve } from "node:path";
import type { ApiConfig, RefsConfig, ServerChoice } from "../types/apis.ts";
import type { ClientConfig } from "../types/clients.ts";
import {
  child,
  entriesOf,
  itemsOf,
  label,
  nameOf,
  textOf,
  textsOf,
  type YamlNode,
} from "../node.ts";
import { apiRules, documentRules } from "../url.ts";
import { compileCredential } from "./credential.ts";
import { compileIdentityHeaders } from "./static.ts";
import { compileRule, compileWhen } from "./rule.ts";
import { checkUrl, numberOf, type Scope } from "./scope.ts";
import { compileAuthorities } from "./tls.ts";
import { compileTimeouts } from "./timeouts.ts";

export function compileApis(
  scope: Scope,
  clients: ReadonlyMap<string, ClientConfig>,
): readonly ApiConfig[] {
  return entriesOf(child(scope.root, "apis")).map(([id, node]) => {
    const spec = child(node, "spec");
    const timeouts = compileTimeouts(scope, node);
    const url = checkUrl(child(node, "url"), apiRules, scope.problems);
    return {
      id,
      spec: locateSpec(scope, spec),
      specPosition: spec?.position ?? nameOf(node),
      overlays: itemsOf(child(node, "overlays")).map((overlay) => ({
        file: resolve(scope.directory, textOf(overlay) ?? ""),
        position: overlay.position,
      })),
      refs: compileRefs(scope, child(node, "refs")),
      url,
      server: compileServer(scope, child(node, "server")),
      ca: compileAuthorities(scope, child(node, "tls"), url),
      allowedHosts: itemsOf(child(node, "allowedHosts")).map((host) => textOf(host) ?? ""),
      credential: compileCredential(scope, child(node, "credential"), clients),
      identityHeaders: compileIdentityHeaders(scope, child(node, "identityHeaders")),
      timeouts,
      retry: compileRetry(child(node, "retry")),
      breaker: child(node, "breaker")?.value !== false,
      maxConcurrentCalls: numberOf(
        child(node, "concurrency") ?? child(child(scope.root, "limits"), "concurrency"),
      ),
      deepObjectArrays: (textOf(child(node, "deepObjectArrays")) ??
        "repeat") as ApiConfig["deepObjectArrays"],
      redirects: compileRedirects(child(node, "redirects")),
      prefix: child(node, "prefix")?.value === true,
      when: compileWhen(child(node, "when")),
      keepReadOnly: child(node, "keepReadOnly")?.value === true,
      skipDeprecated: child(node, "skipDeprecated")?.value === true,
      rules: itemsOf(child(node, "tools")).map((rule) =>
        compileRule(scope, rule, {
          flattenBody: child(node, "flattenBody")?.value === true,
          timeouts,
        }),
      ),
      position: nameOf(node),
    };
  });
}

/** A path becomes absolute; a URL stays as written. */
function locateSpec({ directory, problems }: Scope, node: YamlNode | undefined): string {
  const text = textOf(node) ?? "";
  if (node === undefined || !/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text)) {
    return resolve(directory, text);
  }
  return checkUrl(node, documentRules, problems) ?? text;
}

function compileRetry(node: YamlNode | undefined): ApiConfig["retry"] {
  return {
    attempts: numberOf(child(node, "attempts")),
    unsafe: child(node, "unsafe")?.value === true,
    idempotencyKey: textOf(child(node, "idempotencyKey")),
  };
}

function compileRedirects(node: YamlNode | undefined): ApiConfig["redirects"] {
  return node && { allowedHosts: textsOf(child(node, "allowedHosts")) };
}

function compileServer({ problems }: Scope, node: YamlNode | undefined): ServerChoice {
  const [, second] = ["name", "description", "index"].flatMap((key) => child(node, key) ?? []);
  if (second !== undefined) {
    const message = `${label(second)} stands beside another way to choose a server`;
    const help = "write one of name, description and index";
    problems.error({ at: second, code: "conflicting_keys", message, help });
  }
  const variables = entriesOf(child(node, "variables")).map(
    ([name, value]) => [name, { value: textOf(value) ?? "", position: value.position }] as const,
  );
  return { select: selectServer(node), variables: new Map(variables) };
}

function selectServer(node: YamlNode | undefined): ServerChoice["select"] {
  for (const kind of ["name", "description"] as const) {
    const written = child(node, kind);
    const text = textOf(written) ?? "";
    const { position } = written ?? {};
    if (position === undefined) continue;
    return kind === "name" ? { kind, name: text, position } : { kind, description: text, position };
  }
  const index = child(node, "index");
  return index && { kind: "index", index: Number(index.value), position: index.position };
}

function compileRefs({ directory }: Scope, node: YamlNode | undefined): RefsConfig {
  const texts = (key: string): readonly string[] =>
    itemsOf(child(node, key)).map((item) => textOf(item) ?? "");
  return {
    roots: texts("roots").map((root) => resolve(directory, root)),
    allowHosts: texts("allowHosts"),
    privateHosts: texts("privateHosts"),
  };
}
