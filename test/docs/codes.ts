import { readSources } from "../architecture/sources.ts";

const sources = readSources();

function textOf(path: string): string {
  const file = sources.find((source) => source.path === path);
  if (file === undefined) throw new TypeError(`there is no src/${path}`);
  return file.text;
}

/** The members of `type NAME = | "a" | "b"`. */
function unionOf(path: string, name: string): readonly string[] {
  const [, body] = new RegExp(`type ${name} =([^;]*);`).exec(textOf(path)) ?? [];
  if (body === undefined) throw new TypeError(`src/${path} has no union ${name}`);
  return [...body.matchAll(/"([a-z0-9_]+)"/g)].map(([, code]) => code ?? "");
}

function matches(pattern: RegExp, within: (path: string) => boolean = () => true): string[] {
  return sources
    .filter(({ path }) => within(path))
    .flatMap(({ text }) => [...text.matchAll(pattern)].map(([, code]) => code ?? ""));
}

/** Snake_case words of the rooms that report findings and are no code of one. */
const otherWords = new Set([
  "client_secret_basic",
  "client_secret_post",
  "private_key_jwt",
  "tls_client_auth",
  "enrol_in_course",
  "exists_one",
  "api_key",
  "request_body",
  "needs_scopes",
  "not_permitted",
]);

/** Rooms whose every snake_case literal is a finding's code, unless `otherWords` has it. */
const findingRooms =
  /^(?:config(?!\/(?:exchange-|idp-)?presets\.ts|\/schema\/(?:auth|broker|credential)\.ts)|openapi|tools|policy)\//;

/** Every code of the source, by the table of docs/errors.md that explains it. */
export const codes: Readonly<Record<string, readonly string[]>> = {
  "Configuration and documents": [
    // The codes of `doctor auth` come with their cause and what to do, and need no table.
    ...matches(
      /\bcode: "([a-z0-9_]+)"/g,
      (path) => !/^(?:broker\/|auth\/(?:advice|doctor)\.ts$)/.test(path),
    ),
    ...matches(/\bcode: "([a-z0-9_]+)"/g, (path) => path === "broker/broker.ts"),
    ...matches(/"([a-z0-9]+(?:_[a-z0-9]+)+)"/g, (path) => findingRooms.test(path)).filter(
      (word) => !otherWords.has(word),
    ),
  ],
  "HTTP answers": [
    ...unionOf("base/errors.ts", "AuthCode"),
    ...matches(/\berror: "([a-z0-9_]+)"/g, (path) =>
      /^(?:http\/(?:server|gate)|admin\/server)\.ts$/.test(path),
    ),
    ...matches(/"([a-z0-9]+(?:_[a-z0-9]+)+)"/g, (path) => path === "http/server.ts").filter(
      (word) => ["request_too_large", "unsupported_media_type"].includes(word),
    ),
  ],
  "Why a caller is not believed": [
    ...unionOf("auth/refusal.ts", "TokenReason"),
    ...unionOf("auth/proof.ts", "ProofReason"),
    ...matches(/new AuthError\(\s*"[a-z_]+",\s*"([a-z0-9_]+)"/g),
  ],
  "Tool calls": unionOf("base/errors.ts", "CallCode"),
  "Audit reasons": [
    ...matches(/\bfailure\("([a-z0-9_]+)"\)/g, (path) => path === "call/road.ts"),
    ...matches(/\breason: "([a-z0-9_]+)"/g, (path) => path === "call/road.ts"),
    ...matches(/\breject\([\w.]+, [\w.]+, "([a-z0-9_]+)"\)/g, (path) => path === "http/server.ts"),
    ...matches(/\breason = "([a-z0-9_]+)"/g, (path) => path === "http/server.ts"),
    ...unionOf("gateway.ts", "StopReason"),
    ...matches(/\.code \?\? "([a-z0-9_]+)"/g, (path) => path === "gateway/serving.ts"),
    ...matches(/"([a-z]+_(?:timeout|too_large|http))"/g, (path) => path === "http/server.ts"),
    ...matches(/\[-32\d+, "([a-z_]+)"\]/g, (path) => path === "mcp/refusals.ts"),
    ...matches(/get\(code\) \?\? "([a-z_]+)"/g, (path) => path === "mcp/refusals.ts"),
    ...unionOf("observe/audit.ts", "GapReason"),
    ...matches(/: "([a-z_]+_request_state)"/g, (path) => path === "mcp/sdk-lane.ts"),
  ],
  "Pages of the broker": [
    ...matches(/^ {2}([a-z_]+): "/gm, (path) => path === "broker/refusal.ts"),
    ...matches(/"(too_many_[a-z_]+)"/g, (path) => path === "broker/door.ts"),
    ...matches(/refuse\(res, \d+, "([a-z_]+)"\)/g, (path) => path === "broker/door.ts"),
  ],
  "Token endpoint": [
    ...unionOf("upstream/credential/token-failure.ts", "TokenErrorCode"),
    ...unionOf("upstream/credential/token-failure.ts", "TokenFailureCode"),
  ],
  "Connecting an account": unionOf("upstream/credential/connect.ts", "ConnectProblem"),
  "Keys of an issuer": unionOf("auth/document.ts", "KeyProblemCode"),
};

/** Names of log lines. */
export const logEvents: readonly string[] = matches(/\blog(?:\.\w+|\[\w+\])\(\s*"([a-z0-9_]+)"/g);
