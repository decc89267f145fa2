import { isJsonObject, type JsonSchema } from "../base/json.ts";
import { nearest } from "../base/nearest.ts";
import { escapeText } from "../base/text.ts";
import { label, nameOf, plainValue, type YamlNode } from "./node.ts";
import { didYouMean, type Problems } from "./problems.ts";
import { type Forms, formsOf, formsOfItem, formsOfKey } from "./schema/place.ts";

/**
 * Reports unknown keys and moves what they hold to where it was meant to be, so that a typo is one
 * finding: nothing is missing because of it, and what it holds is checked as well.
 */
export function correctSpelling(tree: YamlNode, schema: JsonSchema, problems: Problems): YamlNode {
  const walk = (node: YamlNode, forms: Forms): YamlNode => {
    if (node.kind === "scalar") return node;
    if (node.kind === "list") return rebuild(node, walkItems(node, formsOfItem(forms)));
    const known = knownKeys(forms);
    const children = new Map<string, YamlNode>();
    for (const [written, inner] of node.children) {
      const key = known === undefined ? written : correct(node, written, known);
      if (key !== undefined && !children.has(key))
        children.set(key, walk(inner, formsOfKey(forms, key)));
    }
    return rebuild(node, children);
  };

  const walkItems = (node: YamlNode, forms: Forms): Map<string, YamlNode> =>
    new Map([...node.children].map(([index, item]) => [index, walk(item, forms)]));

  /** The key that was meant; undefined when none was, or when that one is there too. */
  const correct = (
    node: YamlNode,
    written: string,
    known: readonly string[],
  ): string | undefined => {
    if (known.includes(written) || written.startsWith("x-")) return written;
    const meant = nearest(written, known);
    const inner = node.children.get(written);
    problems.error({
      at: nameOf(inner ?? node),
      code: "unknown_key",
      message: `unknown key "${escapeText(written, 64)}" in ${label(node)}`,
      help: didYouMean(meant),
    });
    return meant === undefined || node.children.has(meant) ? undefined : meant;
  };

  return walk(tree, formsOf(schema));
}

function rebuild(node: YamlNode, children: ReadonlyMap<string, YamlNode>): YamlNode {
  return node.kind === "scalar"
    ? node
    : { ...node, children, value: plainValue(node.kind, children) };
}

/** Keys of a mapping that has fixed ones; undefined where the operator chooses the names. */
function knownKeys(forms: Forms): readonly string[] | undefined {
  const closed = forms.filter((form) => form["additionalProperties"] === false);
  if (closed.length === 0) return undefined;
  return closed.flatMap(({ properties }) =>
    isJsonObject(properties) ? Object.keys(properties) : [],
  );
}
