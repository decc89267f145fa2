import type { Principal } from "../base/principal.ts";
import type { Authenticate } from "./authenticate.ts";

/** Who calls with `auth: {mode: none}`: nobody in particular, with no scope. */
export const anonymous: Principal = Object.freeze({
  iss: "",
  sub: "anonymous",
  name: undefined,
  clientId: undefined,
  scopes: new Set<string>(),
  roles: Object.freeze([]),
  claims: Object.freeze({}),
  expiresAt: Number.POSITIVE_INFINITY,
  tokenHash: "",
  token: undefined,
});

/** For `auth: {mode: none}`: believes everybody to be `anonymous`; credentials are not looked at. */
export function createAnonymous(): Authenticate {
  return Object.assign(async () => anonymous, {
    known: () => anonymous,
    authenticateToken: async () => anonymous,
  });
}
