import { Document, isMap, isScalar, isSeq, type Node } from "yaml";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import { readConfig } from "./load.ts";
import type { Env } from "./interpolate.ts";
import { idpPreset } from "./idp-presets.ts";
import { child, textOf, type YamlNode } from "./node.ts";
import { presetOf } from "./presets.ts";
import { gatewaySchema } from "./schema/gateway.ts";
import { type Forms, formsOf, formsOfItem, formsOfKey, isSecretPlace } from "./schema/place.ts";

/** gateway.yaml as it is meant: defaults and presets filled in, references replaced, secrets masked. */
export interface ShownConfig {
  readonly value: JsonValue;
  /** As YAML; with `origins` each value says where it is from. */
  readonly yaml: (options: { readonly origins: boolean }) => string;
}

/** @throws ConfigError as `loadConfig` does: a broken file means nothing that could be shown. */
export async function showConfig(file: string, env: Env): Promise<ShownConfig> {
  const { root } = await readConfig(file, env);
  const value = redact(root, formsOf(gatewaySchema));
  return {
    value,
    yaml({ origins }) {
      const document = new Document(value);
      if (origins && document.contents) annotate(document.contents, root, undefined);
      return document.toString({ lineWidth: 0, flowCollectionPadding: false });
    },
  };
}

function redact(node: YamlNode, forms: Forms): JsonValue {
  if (isSecretPlace(forms)) return "***";
  if (node.kind === "list")
    return [...node.children.values()].map((item) => redact(item, formsOfItem(forms)));
  if (node.kind === "mapping")
    return Object.fromEntries(
      [...node.children].map(([key, inner]) => [key, redact(inner, formsOfKey(forms, key))]),
    );
  // A key of a service in the query of its URL is as secret as one elsewhere.
  if (typeof node.value === "string" && node.origin !== undefined)
    return node.value.replace(/([a-z]+:\/\/[^?#]*)\?[^#]*/i, "$1?***");
  return node.value;
}

/** @param preset What the issuer around it names, by the key of this node. */
function annotate(shown: Node, node: YamlNode, preset: JsonValue | undefined): void {
  if (isMap(shown)) {
    const below = ownPreset(node) ?? objectOf(preset);
    for (const pair of shown.items) {
      const key = String((pair.key as { readonly value?: unknown }).value);
      const inner = node.children.get(key);
      if (inner) annotate(pair.value as Node, inner, below[key]);
    }
    return;
  }
  const items = isSeq(shown) ? (shown.items as Node[]) : [];
  if (isSeq(shown) && !items.every(isScalar)) {
    for (const [index, item] of items.entries()) {
      const inner = node.children.get(String(index));
      if (inner) annotate(item, inner, Array.isArray(preset) ? preset[index] : undefined);
    }
    return;
  }
  if (isSeq(shown)) shown.flow = true;
  shown.comment = ` ${originOf(node, preset)}`;
}

/** Of a node that names one. */
function ownPreset(node: YamlNode): JsonObject | undefined {
  if (/^auth\.issuers\[\d+\]$/.test(node.path)) return presetOf(node);
  if (/^broker\.upstream\.[\w-]+$/.test(node.path)) return idpPreset(textOf(child(node, "preset")));
  return undefined;
}

function originOf(node: YamlNode, preset: JsonValue | undefined): string {
  if (node.origin !== undefined) return node.origin;
  if (node.written) return `line ${node.position.line}`;
  return preset === undefined ? "default" : "preset";
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
