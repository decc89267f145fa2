import { createHash } from "node:crypto";
import { createCache } from "../base/cache.ts";
import type { Errand } from "../base/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../base/json.ts";
import type { Caller } from "./client.ts";

/** Whether a client shows its person a page and asks whether to open it. */
export function opensPages(capabilities: JsonValue | undefined): boolean {
  const elicitation = isJsonObject(capabilities) ? capabilities["elicitation"] : undefined;
  return isJsonObject(elicitation) && isJsonObject(elicitation["url"]);
}

/** The person was asked and did not want to. */
export function isDeclined(responses: unknown): boolean {
  const response = isJsonObject(responses) ? responses["connect"] : undefined;
  return isJsonObject(response) && response["action"] !== "accept";
}

/** 2025-11-25, `URLElicitationRequired`. */
export const elicitationRequired = -32_042;

export interface Elicitation {
  readonly mode: "url";
  readonly elicitationId: string;
  readonly url: string;
  readonly message: string;
}

export function elicitationOf({ url, reason: message }: Errand): Elicitation {
  const elicitationId = createHash("sha256").update(url).digest("hex").slice(0, 32);
  return { mode: "url", elicitationId, url, message };
}

const maxClients = 10_000;
const keptMs = 24 * 3_600_000;

/**
 * What clients of the 2025 era said when they introduced themselves: their calls do not repeat it,
 * and there is no session that would remember. Whoever is not known here gets the link as text.
 */
export interface Introductions {
  readonly note: (caller: Caller, capabilities: JsonValue | undefined) => void;
  readonly opensPages: (caller: Caller) => boolean;
}

export function createIntroductions(now: () => number): Introductions {
  const known = createCache<true>(maxClients, now);
  return {
    note(caller, capabilities) {
      if (opensPages(capabilities)) known.set(keyOf(caller), true, now() + keptMs);
      else known.delete(keyOf(caller));
    },
    opensPages: (caller) => known.get(keyOf(caller)) === true,
  };
}

/** One person with one program. */
function keyOf({ principal: { iss, sub, clientId }, client }: Caller): string {
  return JSON.stringify([iss, sub, clientId, client?.userAgent]);
}

/** `capabilities` of an `initialize`; undefined: the body is none. */
export function introductionIn(body: JsonValue): JsonObject | undefined {
  if (!isJsonObject(body) || body["method"] !== "initialize") return undefined;
  const params = isJsonObject(body["params"]) ? body["params"] : {};
  return isJsonObject(params["capabilities"]) ? params["capabilities"] : {};
}
