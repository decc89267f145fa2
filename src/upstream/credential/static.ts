import { ConfigError } from "../../base/errors.ts";
import type { ApiConfig } from "../../config/types/apis.ts";
import type { CredentialConfig } from "../../config/types/credential.ts";
import type { Credential } from "./credential-parts.ts";
import { isFieldValue } from "../request/header.ts";
import type { CredentialParts } from "../request/request.ts";

export type StaticConfig = Extract<CredentialConfig, { kind: "static" }>;

/** RFC 9110 §5.6.2: header and cookie names. */
const nameForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

const nothing: CredentialParts = { headers: [], query: "", cookie: "" };

/** The API takes no credential. */
export const noCredential: Credential = { get: () => nothing, invalidate: () => false };

/**
 * One value for every caller, built once.
 *
 * @throws ConfigError `invalid_credential`: a name or value that cannot be sent in that place; the
 *   value is not shown.
 */
export function createStatic(api: ApiConfig, config: StaticConfig): Credential {
  const parts = place(config);
  if (parts === undefined) {
    throw new ConfigError([
      {
        severity: "error",
        code: "invalid_credential",
        message: `apis.${api.id}.credential: its name or value cannot be sent in a ${config.in}`,
        position: api.position,
        help: "a value must not be empty or hold control characters, a cookie no semicolon",
      },
    ]);
  }
  return { get: () => parts, invalidate: () => false };
}

function place({ in: where, name, value }: StaticConfig): CredentialParts | undefined {
  const text = value.reveal();
  if (text === "") return undefined;
  switch (where) {
    case "header":
      return nameForm.test(name) && isFieldValue(text)
        ? { ...nothing, headers: [name.toLowerCase(), text] }
        : undefined;
    case "query":
      return name !== "" && !/[\p{Cc}\p{Cs}]/u.test(name + text)
        ? { ...nothing, query: `${encodeURIComponent(name)}=${encodeURIComponent(text)}` }
        : undefined;
    case "cookie":
      // Sent as written (RFC 6265 §5.4), so it must not be able to end and start another cookie.
      return nameForm.test(name) && /^[ -:<-~]+$/.test(text)
        ? { ...nothing, cookie: `${name}=${text}` }
        : undefined;
  }
}
