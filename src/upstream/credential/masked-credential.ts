import type { CredentialConfig } from "../../config/types/credential.ts";
import type { CredentialParts } from "../request/request.ts";

/** What a credential would add, with `***` for every secret: for showing a request, not sending it. */
export function maskCredential(config: CredentialConfig): CredentialParts {
  const parts = { headers: [], query: "", cookie: "" };
  switch (config.kind) {
    case "none":
      return parts;
    case "exchange":
    case "signedJwt":
    case "clientCredentials":
    case "connection":
    case "login":
    case "idJag":
      return { ...parts, headers: ["authorization", "Bearer ***"] };
    case "static":
      switch (config.in) {
        case "header":
          return { ...parts, headers: [config.name.toLowerCase(), "***"] };
        case "query":
          return { ...parts, query: `${encodeURIComponent(config.name)}=***` };
        case "cookie":
          return { ...parts, cookie: `${config.name}=***` };
      }
  }
}
