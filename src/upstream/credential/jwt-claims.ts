import { isJsonObject, type JsonObject } from "../../base/json.ts";

/**
 * What a token says that happens to be a JWT; undefined for any other. Not verified: only the API
 * it is for can do that.
 */
export function readJwtClaims(token: string): JsonObject | undefined {
  const [, payload, signature, more] = token.split(".");
  if (payload === undefined || signature === undefined || more !== undefined) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    return isJsonObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}
