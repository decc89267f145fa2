import type { Refused } from "./case.ts";

const typo = (from: string, to: string, meant: string): Refused => ({
  because: `${to.replace("¦", "").trim()} is no key`,
  from,
  to,
  code: "unknown_key",
  help: `did you mean "${meant}"?`,
});

export const typos: readonly Refused[] = [
  typo("version: 1", "version: 1\n¦limts: {}", "limits"),
  typo("server:\n", "¦sever:\n", "server"),
  typo("  listen: 127.0.0.1:3000", "  ¦lisen: 127.0.0.1:3000", "listen"),
  typo("  url: https", "  ¦ulr: https", "url"),
  typo("  scopes: [mcp", "  ¦scope: [mcp", "scopes"),
  typo("  scopes: [mcp:tools]", "  ¦stepup: false", "stepUp"),
  typo("  issuers:", "  ¦issuer:", "issuers"),
  typo("      audience: https", "      ¦audiance: https", "audience"),
  typo("      audience: https://mcp.acme.com/mcp", "      ¦clock_skew: 30s", "clockSkew"),
  typo("  clients:", "  ¦client:", "clients"),
  typo("      secret: ", "      ¦secert: ", "secret"),
  typo("  upstream: dev", "  ¦upsteam: dev", "upstream"),
  typo("    timeout: 10s", "    ¦timeOut: 10s", "timeout"),
  typo("    credential:\n      ex", "    ¦credentials:\n      ex", "credential"),
  typo("      exchange: {", "      ¦exchagne: {", "exchange"),
  typo("{client: corp, aud", "{¦clent: corp, aud", "client"),
  typo("        header: X", "        ¦heder: X", "header"),
  typo("      - operation: enrol", "      - ¦opration: enrol", "operation"),
  typo("        name: enrol", "        ¦nmae: enrol", "name"),
  typo("        name: enrol_in", "        response: {¦selct: a}\n        name: enrol_in", "select"),
  typo("{from: principal.sub}", "{¦form: principal.sub}", "from"),
  typo("{tags: [admin]}", "{tags: [admin], ¦method: [GET]}", "methods"),
  typo("        expose: false", "        ¦expos: false", "expose"),
  typo("  concurrency: 64", "  ¦concurency: 64", "concurrency"),
  typo("    - file: {dir", "    - ¦fil: {dir", "file"),
  typo("{dir: var/audit}", "{¦dirr: var/audit}", "dir"),
];
