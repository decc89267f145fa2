import { label, quote, textOf, type YamlNode } from "../node.ts";
import type { RateConfig } from "../types/limits.ts";
import type { Problems } from "../problems.ts";
import { parseDuration, parseRate, parseSize } from "../units.ts";
import { urlFault, type UrlRules } from "../url.ts";

/** What every part of the configuration is made from. Values the schema refused come as defaults. */
export interface Scope {
  readonly root: YamlNode;
  /** Directory of gateway.yaml. */
  readonly directory: string;
  readonly problems: Problems;
}

/** The URL as written, or undefined with a problem. */
export function checkUrl(
  node: YamlNode | undefined,
  rules: UrlRules,
  problems: Problems,
): string | undefined {
  const text = textOf(node);
  if (node === undefined || text === undefined || text === "") return undefined;
  const fault = urlFault(text, rules);
  if (fault === undefined) return text;
  const message = `${label(node)} ${fault}, not ${quoteUrl(node)}`;
  problems.error({ at: node, code: "invalid_url", message });
  return undefined;
}

/** A password in a URL is as secret as one elsewhere. */
function quoteUrl(node: YamlNode): string {
  return textOf(node)?.includes("@") ? "a URL with @" : quote(node);
}

/** Milliseconds between the bounds; 0 with a problem otherwise. */
export function durationOf(
  node: YamlNode | undefined,
  range: { readonly min: string; readonly max: string },
  problems: Problems,
): number {
  const ms = parseDuration(textOf(node) ?? "");
  if (node === undefined || ms === undefined) return 0;
  const [min, max] = [parseDuration(range.min) ?? 0, parseDuration(range.max) ?? 0];
  if (ms < min || ms > max) {
    const message = `${label(node)} must be between ${range.min} and ${range.max}, not ${quote(node)}`;
    problems.error({ at: node, code: "out_of_range", message });
  }
  return ms;
}

/** Bytes, from 1 to 1 GiB; 0 with a problem otherwise. */
export function sizeOf(node: YamlNode | undefined, problems: Problems): number {
  if (node === undefined) return 0;
  const bytes = typeof node.value === "number" ? node.value : parseSize(textOf(node) ?? "");
  if (bytes === undefined) return 0;
  if (bytes < 1 || bytes > 2 ** 30) {
    const message = `${label(node)} must be between 1B and 1GiB, not ${quote(node)}`;
    problems.error({ at: node, code: "out_of_range", message });
  }
  return bytes;
}

/** A count; 0 for what the schema refused. */
export function numberOf(node: YamlNode | undefined): number {
  return Number(node?.value ?? 0);
}

export function rateOf(node: YamlNode | undefined): RateConfig | undefined {
  const text = textOf(node);
  return text === undefined ? undefined : parseRate(text);
}
