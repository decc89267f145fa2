import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { exchangePreset } from "./exchange-presets.ts";
import { idpPreset } from "./idp-presets.ts";
import { child, joinPath, plainValue, textOf, type YamlNode } from "./node.ts";

/**
 * What the access tokens of well-known products look like, as keys of `auth.issuers[]`. Data only:
 * whatever the operator writes stands, and `tollgate config show` prints the rest.
 */
const presets: Readonly<Record<string, JsonObject>> = {
  generic: {},
  keycloak: {
    typ: "any",
    name: ["name", "preferred_username"],
    roles: ["realm_access.roles"],
    // A service account is a user of its own, so its `sub` says nothing.
    machine: [
      { preferred_username: "service-account-*" },
      { clientHost: "*" },
      { clientAddress: "*" },
      { client_id: "*", sid: null },
    ],
  },
  entra: {
    typ: "any",
    algorithms: ["RS256"],
    client: ["azp", "appid"],
    scopes: { from: ["scp", "roles"], advertise: "{resource}/" },
    name: ["name", "preferred_username"],
    roles: ["roles"],
    // `idtyp` comes only where the app asks for it; scopes are a person's, an app has roles alone.
    machine: [{ idtyp: "app" }, { scp: null }],
  },
  okta: {
    typ: "any",
    client: ["cid"],
    scopes: { from: ["scp"] },
    name: ["name", "sub"],
    roles: ["groups"],
  },
  auth0: {
    typ: "any",
    exclusive: false,
    client: ["azp", "client_id"],
    scopes: { from: ["scope", "permissions"] },
    machine: [{ gty: "client-credentials" }],
  },
  cognito: {
    audience: "none",
    typ: "any",
    client: ["client_id"],
    scopes: { from: ["scope"], prefix: "{resource}/", advertise: "{resource}/" },
    name: ["username"],
    roles: ["cognito:groups"],
    require: { token_use: "access" },
  },
  ping: { typ: "any", client: ["client_id"], scopes: { from: ["scope"] } },
  zitadel: {
    typ: "any",
    client: ["client_id", "azp"],
    name: ["name", "preferred_username"],
    roles: ["urn:zitadel:iam:org:project:roles"],
  },
};

export const presetNames: readonly string[] = Object.keys(presets);

/** The preset that an issuer of gateway.yaml names. */
export function presetOf(issuer: YamlNode): JsonObject {
  const name = textOf(child(issuer, "preset")) ?? "generic";
  return (Object.hasOwn(presets, name) ? presets[name] : undefined) ?? {};
}

/** Puts presets where the operator wrote nothing: over the schema's defaults, under the file. */
export function expandPresets(root: YamlNode): YamlNode {
  const issuers = change(root, ["auth", "issuers"], (list) =>
    changeEach(list, (issuer) => fill(issuer, presetOf(issuer))),
  );
  const broker = change(issuers, ["broker", "upstream"], (idps) =>
    changeEach(idps, (idp) => fill(idp, idpPreset(textOf(child(idp, "preset"))))),
  );
  return change(broker, ["apis"], (apis) =>
    changeEach(apis, (api) =>
      change(api, ["credential", "exchange"], (exchange) =>
        fill(exchange, exchangePreset(textOf(child(exchange, "preset"))).keys),
      ),
    ),
  );
}

function changeEach(node: YamlNode, edit: (item: YamlNode) => YamlNode): YamlNode {
  return rebuild(node, new Map([...node.children].map(([key, item]) => [key, edit(item)])));
}

function change(
  node: YamlNode,
  [key, ...rest]: readonly string[],
  edit: (node: YamlNode) => YamlNode,
): YamlNode {
  if (key === undefined) return edit(node);
  const inner = child(node, key);
  if (inner === undefined) return node;
  return rebuild(node, new Map(node.children).set(key, change(inner, rest, edit)));
}

function fill(node: YamlNode, preset: JsonObject): YamlNode {
  if (node.kind !== "mapping") return node;
  const children = new Map(node.children);
  for (const [key, value] of Object.entries(preset)) {
    const there = children.get(key);
    if (there?.kind === "mapping" && isJsonObject(value)) children.set(key, fill(there, value));
    else if (!there?.written) children.set(key, nodeOf(joinPath(node.path, key), value, node));
  }
  return rebuild(node, children);
}

function nodeOf(path: string, value: JsonValue, parent: YamlNode): YamlNode {
  const { position, keyPosition } = parent;
  const base = { path, position, keyPosition, written: false, plain: false, origin: undefined };
  if (typeof value !== "object" || value === null)
    return { ...base, kind: "scalar", value, children: new Map() };
  const kind = isJsonObject(value) ? "mapping" : "list";
  const children = new Map<string, YamlNode>();
  for (const [key, inner] of Object.entries(value as JsonObject)) {
    const name = kind === "list" ? Number(key) : key;
    children.set(key, nodeOf(joinPath(path, name), inner, parent));
  }
  return { ...base, kind, value, children };
}

function rebuild(node: YamlNode, children: ReadonlyMap<string, YamlNode>): YamlNode {
  return node.kind === "scalar"
    ? node
    : { ...node, children, value: plainValue(node.kind, children) };
}
