import { escapeText } from "../base/text.ts";
import { hostOf } from "../config/url.ts";
import type { Finding } from "./document/finding.ts";
import type { Server, Servers } from "./operation/operation.ts";

const maxShown = 5;

/**
 * Tells that a document names only servers on other hosts than the API is called on. The host is
 * gateway.yaml's all the same, so this is either the public door of an internal API or the wrong
 * document, or the wrong `url`.
 *
 * @param at Where the document says so.
 * @returns undefined too when a server's host is not known: that is where the document came from.
 */
export function elsewhere(
  { list }: Pick<Servers, "list">,
  url: string,
  at: Finding["at"],
): Finding | undefined {
  const host = hostOf(new URL(url));
  const named = list.map(hostsOf);
  if (named.length === 0 || named.some((hosts) => hosts.length === 0)) return undefined;
  if (named.flat().includes(host)) return undefined;
  // The first host of each is that of the defaults.
  const others = [...new Set(named.flatMap(([first = ""]) => first))];
  const shown = others.slice(0, maxShown).map((other) => escapeText(other, 100));
  if (others.length > maxShown) shown.push("…");
  const message = `the document names ${shown.join(", ")}, and url the host ${escapeText(host, 100)}`;
  return { code: "server_elsewhere", message, at };
}

/** With the default of every variable, then with each other value that one of them may have. */
function hostsOf({ url, variables }: Server): readonly string[] {
  const names = [...variables];
  const defaults = new Map(names.map(([name, variable]) => [name, variable.default]));
  const others = names.flatMap(([name, { allowed }]) =>
    allowed.map((value) => new Map(defaults).set(name, value)),
  );
  return [defaults, ...others].flatMap((values) => {
    const filled = url.replaceAll(
      /\{([^{}]+)\}/g,
      (whole, name: string) => values.get(name) ?? whole,
    );
    return !/[{}]/.test(filled) && URL.canParse(filled) ? [hostOf(new URL(filled))] : [];
  });
}
