import { readSealKey } from "../../base/seal.ts";
import { Secret } from "../../base/secret.ts";
import { itemsOf, label, textOf, type YamlNode } from "../node.ts";
import type { Scope } from "./scope.ts";

/** How to come by a key. */
export const makeKey = "make one: openssl rand -base64 32";

export function compileSealKeys(
  { problems }: Scope,
  node: YamlNode | undefined,
): readonly Secret[] {
  return itemsOf(node).map((item) => {
    const text = textOf(item) ?? "";
    if (readSealKey(text) === undefined)
      problems.error({
        at: item,
        code: "invalid_key",
        message: `${label(item)} must be 32 bytes as base64 or hex`,
        help: makeKey,
      });
    return new Secret(text);
  });
}
