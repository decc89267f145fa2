/** One file and what it imports. */
export interface SourceFile {
  /** Below `src/`, with forward slashes: `tools/path.ts`. */
  readonly path: string;
  readonly text: string;
}

/** Rooms by floor; imports go to a lower floor or stay in the room. */
const floors: readonly (readonly string[])[] = [
  ["base"],
  ["config"],
  ["openapi"],
  ["tools"],
  ["auth", "policy", "upstream", "observe", "limits"],
  ["call"],
  ["mcp"],
  ["http", "broker", "admin"],
  ["gateway"],
  ["cli", "index"],
];

/** The files at the root of `src/` and the room they make up. */
const rootFiles: Readonly<Record<string, string>> = {
  "gateway.ts": "gateway",
  "index.ts": "index",
};

/** Rooms that only these may import. */
const importers: Readonly<Record<string, readonly string[]>> = {
  // Optional: no gateway without a broker loads it, and no verb but `broker`.
  broker: ["gateway", "cli"],
};

/**
 * Where each third-party package lives. More than one room only where two need the same knowledge
 * and neither may know the other.
 */
export const homes: Readonly<Record<string, readonly string[]>> = {
  "@apidevtools/swagger-parser": ["openapi"],
  "@jmespath-community/jmespath": ["upstream"],
  "@marcbachmann/cel-js": ["policy"],
  "@modelcontextprotocol/node": ["mcp"],
  "@modelcontextprotocol/server": ["mcp"],
  // The SDK is loaded where traces are configured.
  "@opentelemetry/api": ["observe"],
  "@opentelemetry/exporter-trace-otlp-http": ["observe"],
  "@opentelemetry/resources": ["observe"],
  "@opentelemetry/sdk-trace-base": ["observe"],
  ajv: ["tools"],
  "ajv-formats": ["tools"],
  commander: ["cli"],
  // The public listener and the operator's; the broker brings its own.
  fastify: ["http", "admin"],
  // Verifies callers' tokens, and signs those of the embedded authorization server.
  "json-p3": ["openapi"],
  jose: ["auth", "broker"],
  // Optional: one store of the broker is made of it.
  // One keeps grants, one what replicas have in common.
  ioredis: ["broker", "gateway"],
  lmdb: ["broker"],
  "lru-cache": ["base"],
  // The gateway as a client of token endpoints, the broker as one of identity providers.
  oauth4webapi: ["upstream", "broker"],
  "oidc-provider": ["broker"],
  pino: ["observe"],
  re2js: ["tools"],
  undici: ["upstream"],
  // gateway.yaml is YAML, and so are most OpenAPI documents; both need positions.
  yaml: ["config", "openapi"],
};

/** Modules of Node that reach outside the process. */
const outside = new Set(
  "child_process cluster dgram dns fs http http2 https net readline tls worker_threads".split(" "),
);

/** Rooms that compute and never read, write or send. */
const pureRooms = new Set(["base", "tools", "policy", "limits", "call"]);

/** Every import that breaks a border, as `file: reason`. Type-only imports count like any other. */
export function findViolations(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) => {
    const reasons = importsOf(file.text).flatMap((specifier) => judge(file.path, specifier) ?? []);
    const place = floorOf(roomOf(file.path)) === -1 ? ["is in no room"] : [];
    return [...place, ...reasons].map((reason) => `${file.path}: ${reason}`);
  });
}

/**
 * Files that import each other, straight or by others, each group in the order of its names: none
 * of them can be read, tested or moved without the rest. Empty where data flows one way.
 */
export function findCircles(files: readonly SourceFile[]): readonly string[] {
  const targets = new Map(
    files.map(({ path, text }) => [
      path,
      importsOf(text).flatMap((specifier) =>
        specifier.startsWith(".") ? (resolve(path, specifier) ?? []) : [],
      ),
    ]),
  );
  const reachOf = (path: string): ReadonlySet<string> => {
    const reached = new Set<string>();
    const pending = [...(targets.get(path) ?? [])];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (reached.has(next)) continue;
      reached.add(next);
      pending.push(...(targets.get(next) ?? []));
    }
    return reached;
  };
  const reach = new Map(files.map(({ path }) => [path, reachOf(path)]));
  const circles = files
    .filter(({ path }) => reach.get(path)?.has(path))
    .map(({ path }) =>
      [...(reach.get(path) ?? [])].filter((other) => reach.get(other)?.has(path)).toSorted(),
    );
  return [...new Set(circles.map((circle) => circle.join(", ")))];
}

/** What a computed import is reported as: nobody can say where it goes. */
const computed = "(computed)";

/**
 * Every module a text imports: static, `export … from`, `import()` as a value and as a type,
 * `require()`. The formatter starts a line with each static one, so words in comments and
 * strings are not mistaken for one; `import(` counts wherever it stands, to err on the strict side.
 */
export function importsOf(text: string): readonly string[] {
  const statics = text.matchAll(
    /^[ \t]*(?:import|export)\b[\s\w$*,{}]*?(?:\bfrom\s*)?["']([^"'\n]+)["']/gm,
  );
  const calls = text.matchAll(/\b(?:import|require)\s*\(\s*(?:["'`]([^"'`$\n]+)["'`]\s*[,)])?/g);
  return [...statics, ...calls].map(([, specifier]) => specifier ?? computed);
}

function judge(path: string, specifier: string): string | undefined {
  const room = roomOf(path);
  if (specifier === computed) return "imports what only a run can tell";
  if (specifier.startsWith(".")) return judgeOwn(path, specifier);
  if (specifier.startsWith("node:")) {
    const name = specifier.slice("node:".length).split("/", 1)[0] ?? "";
    return pureRooms.has(room) && outside.has(name)
      ? `${room} does no IO and imports ${specifier}`
      : undefined;
  }
  const name = packageOf(specifier);
  const home = homes[name];
  if (home === undefined) return `${name} has no home room`;
  return home.includes(room) ? undefined : `${name} lives in ${home.join(" and ")}`;
}

function judgeOwn(path: string, specifier: string): string | undefined {
  const target = resolve(path, specifier);
  if (target === undefined) return `${specifier} is outside src`;
  const [from, to] = [roomOf(path), roomOf(target)];
  if (from === to) return undefined;
  if (importers[to]?.includes(from) === false) {
    return `${to} is imported only by ${importers[to].join(", ")}`;
  }
  if (floorOf(to) === -1) return `${target} is in no room`;
  if (floorOf(to) < floorOf(from)) return undefined;
  const direction = floorOf(to) === floorOf(from) ? "sideways" : "up";
  return `imports go down only, ${target} is ${direction}`;
}

function roomOf(path: string): string {
  return path.includes("/") ? (path.split("/", 1)[0] ?? "") : (rootFiles[path] ?? path);
}

function floorOf(room: string): number {
  return floors.findIndex((rooms) => rooms.includes(room));
}

/** `tools/path.ts` and `../base/errors.ts` → `base/errors.ts`; undefined when it climbs out. */
function resolve(path: string, specifier: string): string | undefined {
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "." || part === "") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

/** `@scope/name/sub` → `@scope/name`, `name/sub` → `name` */
export function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
