import type { Matrix } from "./row.ts";

export const attacks: Matrix = {
  page: "docs/attack-matrix.md",
  title: "Attack matrix",
  about:
    "What an attacker tries, what Tollgate must do, and what a run of the tests saw. Unless a row says otherwise, nothing is sent to the API, the refusal has one audit record, and no secret is in any output.",
  heading: "Attack",
  sections: [
    {
      title: "Addresses of API requests",
      rows: [
        {
          id: "S01",
          what: "a path argument that is `.` or `..`",
          expected: "an error result `invalid_arguments`",
        },
        {
          id: "S02",
          what: "`../admin`, `a/../../admin` in a path argument; `a/b`",
          expected: "climbing is refused; a harmless slash arrives as `%2F`",
        },
        {
          id: "S03",
          what: "dots that are percent-encoded once, twice or three times",
          expected: "refused when any of three decodings shows a dot segment",
        },
        {
          id: "S05",
          what: "fullwidth dots, overlong UTF-8",
          expected: "arrive percent-encoded, never made into dots",
        },
        { id: "S06", what: "an empty path argument", expected: "refused" },
        {
          id: "S07",
          what: "`?x=1` and `#f` in a path argument",
          expected: "arrive as `%3F` and `%23`",
        },
        {
          id: "S09",
          what: "CR, LF, TAB, NUL in a path or query argument",
          expected: "refused, nothing is stripped",
        },
        {
          id: "S10",
          what: "`a&admin=true`, `=`, `+`, `[` and `]` in query values and keys",
          expected: "encoded; no parameter appears that was not declared",
        },
        { id: "S11", what: "an argument the schema does not name", expected: "refused" },
        {
          id: "S13",
          what: "`servers` of the document, or their variables, point elsewhere",
          expected: "the host comes from gateway.yaml; a difference is a warning",
        },
        {
          id: "S14",
          what: "`$ref` to http, `file:`, absolute paths, parents, links",
          expected: "nothing outside the document's own directory is read",
        },
        {
          id: "S15",
          what: "circular and doubling `$ref`, ten thousand parts, a million enum values",
          expected: "bounded in depth, size and time; the finding names the place",
        },
        {
          id: "S17",
          what: "a redirect of the API to a metadata address, another host, `file:`",
          expected: "not followed; the model is told; within the origin only where configured",
        },
        {
          id: "S18",
          what: "a name that resolves to a public address when checked and a private one when used",
          expected: "the checked address is the one connected to; a literal is judged like a name",
        },
        {
          id: "S19",
          what: "decimal, octal, hex, IPv4-mapped, NAT64, 6to4 addresses, zone ids, a final dot",
          expected: "judged after resolution and refused when not public, for fetched documents",
        },
        {
          id: "S21",
          what: "`Location`, `Link` and links in the body of an answer",
          expected: "never followed",
        },
      ],
    },
    {
      title: "Headers and framing",
      rows: [
        {
          id: "S22",
          what: "CR, LF, NUL or what is not Latin-1 in a header argument",
          expected: "an error result that names the argument",
        },
        {
          id: "S23",
          what: "a header parameter called Authorization, Cookie, Host, X-Forwarded-For …",
          expected: "never an argument",
        },
        {
          id: "S25",
          what: "`X-Forwarded-For` and `X-Forwarded-User` of a caller",
          expected: "change neither the caller's address nor the caller, and reach no API",
        },
        {
          id: "S26",
          what: "length and chunks, two lengths, bare line feeds, folded headers, no Host",
          expected: "400",
        },
        {
          id: "S27",
          what: "two Host headers; a request target in absolute form",
          expected: "two are refused; the authority is held against the allowed hosts",
        },
        {
          id: "S29",
          what: "header arguments that repeat a name or are no text, number or boolean",
          expected: "a finding at load, no tool with it",
        },
        {
          id: "S30",
          what: "`Mcp-Method`, `Mcp-Name`, `Mcp-Param-…` or the revision differs from the body",
          expected: "400 with -32020; what is decided is decided on the body",
        },
        {
          id: "S31",
          what: "quotes and line ends in file names, the boundary in a value",
          expected: "encoded; one body's boundary never ends another",
        },
      ],
    },
    {
      title: "Browsers",
      rows: [
        { id: "S33", what: "an Origin that is not allowed", expected: "403 before anything else" },
        {
          id: "S34",
          what: "a Host that is not allowed, at a loopback listener (DNS rebinding)",
          expected: "403, with and without an Origin",
        },
        {
          id: "S35",
          what: "Origin `null`, one that ends like an allowed one, preflights",
          expected: "exact list; no `*`, no credentials; needed headers only",
        },
        {
          id: "S37",
          what: "scripts in what a console would show",
          expected: "escaped, with a content security policy",
          open: "the read-only console is not built; the pages for people are shown to escape",
        },
        {
          id: "S38",
          what: "any method but POST at the endpoint",
          expected: "405 with Allow: POST",
        },
        {
          id: "S39",
          what: "a Host header that would move advertised URLs",
          expected: "every advertised URL comes from `server.url`",
        },
      ],
    },
    {
      title: "JSON and JSON-RPC",
      rows: [
        {
          id: "S41",
          what: "a body over the limit, chunked without length, one byte a second",
          expected: "413, and 408 when it takes too long; memory stays flat",
        },
        { id: "S42", what: "a compressed request body", expected: "415" },
        { id: "S43", what: "100,000 levels of nesting", expected: "400" },
        { id: "S45", what: "a name twice in one object", expected: "400" },
        {
          id: "S46",
          what: "`Method`, `NAME` and other cases of member names",
          expected: "only the exact name counts",
        },
        {
          id: "S47",
          what: "ids that are null, a fraction, an object, very long, or in use",
          expected: "answered as the protocol says; no id ever selects another's answer",
        },
        {
          id: "S49",
          what: "invalid UTF-8, half surrogate pairs, a byte order mark",
          expected: "400",
        },
        {
          id: "S50",
          what: "a flood of unknown methods or notifications",
          expected: "-32601 or 202 each, limited by rate",
        },
        {
          id: "S51",
          what: "tool names `__proto__`, `toString`, 10 kB, look-alikes, other cases",
          expected: "an unknown tool",
        },
      ],
    },
    {
      title: "Exhaustion by configuration, documents and arguments",
      rows: [
        {
          id: "S53",
          what: "the pattern `^(a+)+$` in a document",
          expected: "linear time; what the linear engine cannot read is left out and told",
        },
        {
          id: "S54",
          what: "slow regular expressions in Tollgate's own source",
          expected: "none takes more than linear time on hostile text",
        },
        { id: "S55", what: "a bomb of YAML aliases", expected: "refused in a second" },
        {
          id: "S57",
          what: "YAML tags, merge keys, duplicate keys",
          expected: "a finding with its place",
        },
        {
          id: "S58",
          what: "huge enums, 100,000 alternatives, `multipleOf` 1e-30, `uniqueItems` on a million",
          expected: "bounded schemas, and validation that ends",
        },
        {
          id: "S59",
          what: "a million properties, colliding keys",
          expected: "refused by size, or served in linear time",
        },
        {
          id: "S61",
          what: "an answer that would fill the model's context",
          expected: "cut to its budget, and says so",
        },
      ],
    },
    {
      title: "Models",
      rows: [
        {
          id: "S62",
          what: "descriptions that speak to the model",
          expected: "a finding, and a locked set of tools that only an operator changes",
        },
        {
          id: "S63",
          what: "hidden, bidirectional and tag characters in names and descriptions",
          expected: "removed",
        },
        {
          id: "S65",
          what: "a reload that turns GET into DELETE or adds a parameter",
          expected: "held until the operator agrees; audited; clients are told",
        },
        {
          id: "S66",
          what: "two documents with one tool name",
          expected: "a finding at load; a prefix resolves it",
        },
        {
          id: "S67",
          what: "instructions in the data of an API",
          expected: "marked as untrusted, control characters removed",
        },
        {
          id: "S69",
          what: "a destructive tool without confirmation",
          expected: "hints by method; confirmation where configured",
        },
        {
          id: "S70",
          what: "tools beyond what the caller may use",
          expected:
            "list and call ask one function: what is callable is listed, what is hidden is denied",
        },
        {
          id: "S71",
          what: "reading here to write there",
          expected: "limits per tool, and an audit that shows the chain",
        },
      ],
    },
    {
      title: "Identity, isolation, caches",
      rows: [
        {
          id: "S73",
          what: "many people at once with one JSON-RPC id",
          expected: "every answer goes to the one who asked",
        },
        {
          id: "S74",
          what: "two callers or targets whose cache keys could look alike",
          expected: "never one token for both",
        },
        {
          id: "S75",
          what: "answers, keys or lists kept for one person and shown to another",
          expected: "answers are not kept; filtered lists are private",
        },
        {
          id: "S77",
          what: "a session id that is sent, guessed or stolen",
          expected: "selects nothing: there are no sessions",
        },
        {
          id: "S78",
          what: "a `requestState` that was changed, replayed or is somebody else's",
          expected: "refused",
        },
        {
          id: "S79",
          what: "the context of one call in another, after a cancel or a timeout",
          expected: "never",
        },
        {
          id: "S81",
          what: "secrets in `/config/status`, `config show`, reports",
          expected: "masked or absent",
        },
        {
          id: "S82",
          what: "an API key in the query",
          expected: "in no error, log or audit line; a warning at load",
        },
        {
          id: "S83",
          what: "the time a comparison of secrets takes",
          expected: "secrets are compared in constant time",
        },
      ],
    },
    {
      title: "Audit and logs",
      rows: [
        {
          id: "S85",
          what: "line ends, U+2028, terminal codes, bidirectional text in any field",
          expected: "one line a record, escaped",
        },
        { id: "S86", what: "a cell that a spreadsheet would calculate", expected: "made text" },
        { id: "S87", what: "an argument of 10 MB", expected: "a digest; the record stays short" },
        {
          id: "S89",
          what: "a log that was edited, cut, reordered, doubled, rolled back",
          expected: "`audit verify` exits 1 and names the first bad record",
        },
        {
          id: "S90",
          what: "getting around the audit: stdio, cancel, crash, refusal, reload",
          expected: "exactly one final record for every accepted call",
        },
      ],
    },
    {
      title: "Limits, admin, supply chain, container",
      rows: [
        {
          id: "S91",
          what: "getting around a rate limit: many tokens, forwarded addresses, IPv6 hopping",
          expected: "the limit is the person's, not the token's; strangers by address or /64",
        },
        {
          id: "S93",
          what: "heads that come slowly, idle connections, pipelining",
          expected: "closed in time; other callers are served",
        },
        {
          id: "S94",
          what: "admin or metrics at the public port; `//livez`, `/%6divez`",
          expected: "404 there; the admin listener stays on loopback",
        },
        {
          id: "S95",
          what: "cross-site requests and rebinding at the admin listener",
          expected: "refused",
        },
        {
          id: "S97",
          what: "a variable that holds YAML",
          expected: "one scalar, whatever is in it",
        },
        {
          id: "S98",
          what: "`spec: ../../etc/shadow`, links to it",
          expected: "confined; no message quotes the content",
        },
        {
          id: "S99",
          what: "templates and code in configuration and documents",
          expected: "data, whatever the quotes",
        },
        {
          id: "S101",
          what: "root, a writable system, capabilities, a shell, secrets in the image",
          expected: "none of it: `scripts/image-proof.sh`",
        },
        {
          id: "S102",
          what: "files and programs outside, under Node's permission model",
          expected: "starts and serves with the two directories it needs",
        },
        {
          id: "S103",
          what: "a configuration that turns certificate checks off",
          expected: "there is no such key",
        },
        {
          id: "S105",
          what: "a listener without login that others can reach",
          expected: "does not start",
        },
      ],
    },
    {
      title: "What a token says",
      rows: [
        { id: "T01", what: "`alg: none` in any case", expected: "401" },
        { id: "T02", what: "HS256 with the public key as the secret", expected: "401" },
        { id: "T03", what: "another key under a known `kid`", expected: "401" },
        { id: "T05", what: "`jku`, `x5u` that lead elsewhere", expected: "never asked" },
        { id: "T06", what: "`x5c` with a chain of its own", expected: "ignored, 401" },
        {
          id: "T07",
          what: "a `kid` that is a path, SQL, 10 kB or no text",
          expected: "401; only compared; at most one fetch of keys",
        },
        { id: "T09", what: "unknown `crit`, `b64: false`", expected: "401" },
        { id: "T10", what: "damaged ECDSA signatures", expected: "401" },
        { id: "T11", what: "other spellings of a good token", expected: "401" },
        {
          id: "T13",
          what: "symmetric or short keys in the key set",
          expected: "ignored with a warning",
        },
        {
          id: "T14",
          what: "another `typ` where `at+jwt` is required",
          expected: "401; the two spellings of the right one are accepted",
        },
        { id: "T15", what: "an ID token of the same issuer", expected: "401" },
        { id: "T17", what: "refresh, offline and logout tokens", expected: "401" },
        { id: "T18", what: "assertions, proofs, events as access tokens", expected: "401" },
        { id: "T19", what: "an encrypted token", expected: "401, unread" },
        { id: "T21", what: "an audience that is absent, empty or no text", expected: "401" },
        { id: "T22", what: "further audiences", expected: "accepted; 401 where exclusive" },
        { id: "T23", what: "an audience list with a number", expected: "401" },
        { id: "T25", what: "a token of one endpoint at another", expected: "401" },
        {
          id: "T26",
          what: "the API's token at the gateway",
          expected: "401; the API never sees the gateway's",
        },
        {
          id: "T27",
          what: "an issuer written differently, or unknown",
          expected: "401 without a request",
        },
        { id: "T29", what: "another tenant", expected: "401" },
        { id: "T30", what: "an expired token", expected: "401; accepted within the skew" },
        { id: "T31", what: "`exp` that is no number, absent, endless", expected: "401" },
        { id: "T33", what: "`nbf` or `iat` in the future", expected: "401" },
        { id: "T34", what: "`sub` absent, empty or no text", expected: "401" },
        { id: "T35", what: "`__proto__` and duplicates among claims", expected: "no effect" },
        { id: "T37", what: "a machine's token", expected: "401 unless allowed" },
        {
          id: "T38",
          what: "scopes that look like the right one",
          expected: "403 with a whole challenge",
        },
        {
          id: "T39",
          what: "a missing scope of a tool",
          expected: "403 once, with all scopes; then served",
        },
        {
          id: "T41",
          what: "a token revoked after it was believed",
          expected: "401 within a second",
        },
        { id: "T42", what: "introspection that says no, or fails", expected: "401; 503" },
        { id: "T43", what: "an opaque token with `&` and spaces", expected: "stays one parameter" },
      ],
    },
    {
      title: "HTTP around the token",
      rows: [
        { id: "H01", what: "two Authorization headers", expected: "400" },
        { id: "H02", what: "folding, NUL, bare line feeds, two framings", expected: "400" },
        { id: "H03", what: "tokens of 9 and 17 KiB", expected: "401; 431" },
        { id: "H05", what: "other schemes and spellings of Bearer", expected: "as RFC 6750 says" },
        { id: "H06", what: "a foreign Host", expected: "403; nothing is built from it" },
        { id: "H07", what: "forwarded headers", expected: "change no advertised URL" },
        { id: "H09", what: "identity headers of a caller", expected: "never reach the API" },
        {
          id: "H10",
          what: "line ends in a claim or an exchanged token",
          expected: "the call fails, nothing is sent",
        },
        { id: "H11", what: "a redirect of the API to another host", expected: "not followed" },
        { id: "H13", what: "a proof of possession that is replayed or wrong", expected: "401" },
        { id: "H14", what: "a bound token as Bearer, a free one as DPoP", expected: "401" },
        { id: "H15", what: "a certificate in a header", expected: "nothing to the gateway" },
        {
          id: "H17",
          what: "a session id or state of somebody else",
          expected: "no effect; refused",
        },
        { id: "H18", what: "telling refusals apart", expected: "same status, same words" },
      ],
    },
    {
      title: "Keys and discovery",
      rows: [
        {
          id: "K01",
          what: "metadata that names another issuer",
          expected: "refused, old keys stay",
        },
        { id: "K02", what: "key or token URLs on other hosts, `file:`", expected: "refused" },
        { id: "K03", what: "a redirect of the key set", expected: "not followed" },
        { id: "K05", what: "an outage of the key set", expected: "old keys for six hours" },
        { id: "K06", what: "an outage under traffic", expected: "spaced attempts, one at a time" },
        { id: "K07", what: "a new key right after a fetch", expected: "accepted within 30 s" },
        {
          id: "K09",
          what: "a start while the issuer is down",
          expected: "not ready, or with kept keys",
        },
        {
          id: "K10",
          what: "client metadata documents on internal addresses",
          expected: "`invalid_client`, no byte sent",
        },
        { id: "K11", what: "internal URLs in a client's registration", expected: "never fetched" },
      ],
    },
    {
      title: "Broker",
      rows: [
        { id: "B01", what: "redirect URIs that were not registered", expected: "an error page" },
        {
          id: "B02",
          what: "loopback with another port; localhost for 127.0.0.1",
          expected: "accepted; a page",
        },
        { id: "B03", what: "registering `javascript:`, `http://evil` …", expected: "400" },
        {
          id: "B05",
          what: "another client's link in a browser with consent",
          expected: "asked again",
        },
        { id: "B06", what: "getting around consent", expected: "400 or 403" },
        { id: "B07", what: "the state cookie before consent", expected: "only after approval" },
        { id: "B09", what: "somebody else's code in a victim's browser", expected: "400" },
        { id: "B10", what: "HTML in an error of the identity provider", expected: "escaped" },
        {
          id: "B11",
          what: "answers of another identity provider",
          expected: "refused before a token request",
        },
        { id: "B13", what: "PKCE absent, plain, wrong", expected: "refused" },
        { id: "B14", what: "a code used twice", expected: "refused, and what it gave is revoked" },
        { id: "B15", what: "a code of another client, another URI, too old", expected: "refused" },
        { id: "B17", what: "the resource written differently", expected: "one canonical audience" },
        {
          id: "B18",
          what: "refresh tokens used again, by others, for more",
          expected: "refused; the family ends",
        },
        { id: "B19", what: "a refresh after the person was disabled", expected: "`invalid_grant`" },
        { id: "B21", what: "framing the consent page", expected: "refused by the browser" },
        {
          id: "B22",
          what: "a client name of HTML, RTL, 10 kB",
          expected: "escaped, cut, unverified",
        },
        { id: "B23", what: "a flood of registrations", expected: "429; 4xx" },
        { id: "B25", what: "`iss` in every answer", expected: "exactly once" },
        { id: "B26", what: "request objects, other response types and modes", expected: "refused" },
        { id: "B27", what: "GET, JSON and duplicates at the token endpoint", expected: "4xx" },
        { id: "B29", what: "foreign origins with credentials", expected: "no CORS on pages" },
        {
          id: "B30",
          what: "two resources, two scopes, two clients in one request",
          expected: "refused",
        },
      ],
    },
    {
      title: "Tokens for APIs",
      rows: [
        { id: "O01", what: "passing the caller's token on", expected: "impossible" },
        { id: "O02", what: "an exchange that answers the caller's token", expected: "refused" },
        { id: "O03", what: "another audience, wider scope, wrong type", expected: "refused" },
        { id: "O05", what: "50 calls at once, one leaves", expected: "one exchange" },
        {
          id: "O06",
          what: "a storm of calls for an unknown target",
          expected: "one request in 5 s",
        },
        {
          id: "O07",
          what: "`invalid_grant`; a failing token endpoint",
          expected: "401; an error result",
        },
        {
          id: "O09",
          what: "the caller's token ends first",
          expected: "the exchanged one ends with it",
        },
        { id: "O10", what: "secrets in errors, logs, records", expected: "none" },
        {
          id: "O11",
          what: "redirects and bad certificates of the token endpoint",
          expected: "refused",
        },
        {
          id: "O13",
          what: "a workload token that is rotated, cut or gone",
          expected: "the new one; a clear error",
        },
        { id: "O14", what: "somebody else's link, a replayed state", expected: "refused" },
        {
          id: "O15",
          what: "a stored token copied to another person",
          expected: "cannot be opened",
        },
        { id: "O17", what: "a chain of actors", expected: "kept; refused beyond five" },
        {
          id: "O18",
          what: "arguments that name audience or scope",
          expected: "the API's and no one else's",
        },
      ],
    },
  ],
};
