import type { JsonSchema } from "../../base/json.ts";
import { credentialSchema } from "./credential.ts";
import { responseSchema } from "./response.ts";
import { choice, exactlyOne, flag, list, named, section, text } from "./shape.ts";
import {
  argumentName,
  concurrency,
  duration,
  globPath,
  hostAndPort,
  hostName,
  idNames,
  principalPath,
  rate,
  scopeToken,
  token,
  toolName,
} from "./units.ts";

/** Methods of OpenAPI 2.0 to 3.2. */
export const httpMethods: readonly string[] = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "QUERY",
];

const argumentSchema: JsonSchema = section(
  {
    description:
      "One argument of the operation. With `from` or `value` the model never sees it; else it is shown under `name`.",
  },
  [],
  {
    from: text(
      {
        description: "Filled from the caller's verified token; hidden from the model.",
        "x-default": "the model supplies it",
        examples: ["principal.sub", "principal.claims.department"],
      },
      principalPath,
    ),
    value: {
      description: "A constant of any type; hidden from the model.",
      "x-default": "the model supplies it",
      examples: ["mcp"],
    },
    name: text(
      {
        description: "What the model calls it.",
        "x-default": "its name in the document",
        examples: ["limit"],
      },
      argumentName,
    ),
    default: {
      description: "Sent when the model supplies nothing.",
      "x-default": "nothing is sent",
      examples: [20],
    },
    description: text({
      description: "What the model reads about it.",
      "x-default": "that of the document",
      examples: ["How many courses to return"],
    }),
    header: text(
      {
        description:
          "Clients of 2026-07-28 repeat the argument as header `Mcp-Param-…` with this name, so that proxies can route by it. For a text, an integer or a boolean that is not personal.",
        "x-default": "no header",
        examples: ["Region"],
      },
      token,
    ),
  },
);

const annotationsSchema: JsonSchema = section(
  {
    description: "Hints about the tool that the method alone would tell otherwise.",
    default: {},
    examples: [{ destructive: false }],
  },
  [],
  Object.fromEntries(
    [
      ["readOnly", "It changes nothing.", "true for GET, HEAD, OPTIONS and QUERY"],
      ["destructive", "It may change or remove what exists.", "true unless readOnly"],
      ["idempotent", "Again with the same arguments changes nothing more.", "by the method"],
      ["openWorld", "It reaches beyond a closed set of things.", "true"],
    ].map(([key = "", description = "", byDefault = ""]) => [
      key,
      { type: "boolean", description, "x-default": byDefault, examples: [false] },
    ]),
  ),
);

const flattenBody = {
  description:
    "Every property of the body becomes an argument of its own, instead of one argument `body`. For bodies that are plain objects.",
} as const;

const matchSchema: JsonSchema = section(
  {
    description: "Selects every operation that fits all the lists given; at least one list.",
    "x-default": "—",
    examples: [{ tags: ["catalog"], methods: ["GET"], paths: ["/courses/**"] }],
  },
  [],
  {
    tags: list(
      { description: "Any of these tags.", default: [], examples: [["catalog"]] },
      { type: "string", minLength: 1 },
      { uniqueItems: true },
    ),
    methods: list(
      { description: "Any of these methods.", default: [], examples: [["GET"]] },
      { type: "string", enum: httpMethods },
      { uniqueItems: true },
    ),
    paths: list(
      {
        description:
          "Any of these path patterns: `*` is one segment, `**` is any number of segments.",
        default: [],
        examples: [["/courses/**"]],
      },
      globPath,
      { uniqueItems: true },
    ),
  },
);

const phases = {
  headers: duration({
    description: "From sending the request to the head of the answer.",
    "x-default": "10s, or `timeout` when that is shorter",
    examples: ["3s"],
  }),
  idle: duration({
    description: "Between two pieces of the answer's body.",
    "x-default": "10s, or `timeout` when that is shorter",
    examples: ["3s"],
  }),
};

const ruleSchema: JsonSchema = section(
  { description: "Selects operations and shapes the tools made of them." },
  [],
  {
    operation: text({
      description: "One operation: its operationId, or method and path.",
      "x-default": "—",
      examples: ["enrol", "POST /enrolments"],
    }),
    match: matchSchema,
    expose: flag({
      description: "false keeps the selected operations away from the rules below.",
      default: true,
      examples: [false],
    }),
    name: text(
      {
        description: "Tool name; for a rule that selects one operation.",
        "x-default": "made of the operationId",
        examples: ["enrol_in_course"],
      },
      toolName,
    ),
    title: text({
      description: "Tool title for people.",
      "x-default": "that of the document",
      examples: ["Enrol in a course"],
    }),
    description: text({
      description: "What the model reads about the tool.",
      "x-default": "that of the document",
      examples: ["Enrol the signed-in learner in a course."],
    }),
    scopes: list(
      {
        description:
          "Scopes needed on the caller's token beyond `auth.scopes`; missing ones answer 403 insufficient_scope.",
        default: [],
        examples: [["courses:write"]],
      },
      scopeToken,
      { uniqueItems: true },
    ),
    confirm: choice(
      {
        description:
          "`required`: a call is sent only after a person has agreed to it, who is shown the tool and its arguments. A client that cannot ask its person is refused.",
        "x-default": "nobody is asked",
        examples: ["required"],
      },
      ["required"],
    ),
    when: text({
      description:
        "CEL condition over `principal`, `tool` and `args`. Callers it refuses do not see the tool.",
      "x-default": "everyone",
      examples: ['principal.claims.department != "contractors"'],
    }),
    mediaType: text(
      {
        description: "Media type of the body, one of those that the operation declares.",
        "x-default": "JSON, else a form, else multipart, else text, else bytes",
        examples: ["application/merge-patch+json"],
      },
      { pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+$" },
    ),
    allowGetBody: flag({
      description:
        "Sends the body that the document declares for GET or HEAD; such a body has no defined meaning (RFC 9110 §9.3.1).",
      default: false,
      examples: [true],
    }),
    flattenBody: {
      type: "boolean",
      ...flattenBody,
      "x-default": "that of the api",
      examples: [true],
    },
    annotations: annotationsSchema,
    timeout: duration({
      description: "For the API to answer a call of these tools, at most 300s.",
      "x-default": "that of the api",
      examples: ["60s"],
    }),
    timeouts: section(
      {
        description: "How long the parts of an answer may take.",
        "x-default": "those of the api",
        examples: [{ headers: "30s" }],
      },
      [],
      phases,
    ),
    rate: rate({
      description: "How often one person may call each of these tools, such as `5/m`.",
      "x-default": "`limits.rate.tool`",
      examples: ["5/m"],
    }),
    egress: {
      type: "string",
      enum: ["internal", "external"],
      description:
        "`external`: what a call sends can leave the company (a mail, a ticket of a partner). All such tools share `limits.rate.external`, and the audit log says so. Only you know: nothing is guessed from the document.",
      default: "internal",
      examples: ["external"],
    },
    concurrency: concurrency({
      description: "Calls under way of each of these tools.",
      "x-default": "as many as the API takes",
      examples: [2],
    }),
    args: named(
      {
        description: "Shapes arguments, by their name before renaming.",
        default: {},
        examples: [{ learnerId: { from: "principal.sub" }, channel: { value: "mcp" } }],
      },
      { minLength: 1 },
      argumentSchema,
    ),
    response: responseSchema,
  },
  exactlyOne(["operation", "match"]),
);

const refsSchema: JsonSchema = section(
  {
    description:
      "What `$ref` in the document may lead to, beyond files of its own directory. A remote document's own origin needs no entry.",
    default: {},
    examples: [{ allowHosts: ["schemas.acme.com"] }],
  },
  [],
  {
    roots: list(
      {
        description:
          "More directories, relative to gateway.yaml; links inside them must not lead out of them.",
        default: [],
        examples: [["specs/common"]],
      },
      { type: "string", minLength: 1 },
      { uniqueItems: true },
    ),
    allowHosts: list(
      {
        description:
          "Hosts whose https documents are fetched, at load only. A redirect to another host is refused.",
        default: [],
        examples: [["schemas.acme.com"]],
      },
      hostName,
      { uniqueItems: true },
    ),
    privateHosts: list(
      {
        description:
          "Hosts of `spec` and `allowHosts` that may have a private or loopback address; link-local ones are always refused. A loopback name needs no entry.",
        default: [],
        examples: [["courses.internal"]],
      },
      hostName,
      { uniqueItems: true },
    ),
  },
);

const serverSchema: JsonSchema = section(
  {
    description:
      "Which server of the document the API runs on; without `url` only. At most one of `name`, `description` and `index`.",
    "x-default": "the first",
    examples: [{ description: "Production", variables: { region: "eu" } }],
  },
  [],
  {
    name: text({
      description: "Its name (OpenAPI 3.2).",
      "x-default": "—",
      examples: ["production"],
    }),
    description: text({
      description: "Its description, word for word.",
      "x-default": "—",
      examples: ["Production"],
    }),
    index: {
      type: "integer",
      description: "Its place in the list, from 0.",
      minimum: 0,
      "x-default": "—",
      examples: [1],
    },
    variables: named(
      {
        description: "Values of the variables in its URL; one of the document's where it lists them.",
        default: {},
        examples: [{ region: "eu" }],
      },
      { minLength: 1 },
      { type: "string" },
    ),
  },
);

const apiSchema: JsonSchema = section(
  { description: "One API: its document, where it runs, and which operations become tools." },
  ["spec", "credential", "tools"],
  {
    spec: text({
      description:
        "Its OpenAPI document: a path relative to gateway.yaml, or an https URL that is fetched once at load. http is for loopback hosts only.",
      examples: ["specs/courses.yaml", "https://courses.acme.com/openapi.json"],
    }),
    overlays: list(
      {
        description:
          "OpenAPI Overlay files (1.0, 1.1), relative to gateway.yaml, applied to the document in this order before anything else looks at it.",
        default: [],
        examples: [["specs/courses.overlay.yaml"]],
      },
      { type: "string", minLength: 1 },
    ),
    refs: refsSchema,
    url: text({
      description: "Its origin and base path, without trailing slash.",
      "x-default": "the first server of the document",
      examples: ["http://courses.internal:8080/v1"],
    }),
    server: serverSchema,
    tls: section(
      {
        description: "How the certificate of the API is checked.",
        "x-default": "by the authorities that Node trusts",
        examples: [{ ca: "${file:/etc/tls/internal-ca.pem}" }],
      },
      ["ca"],
      {
        ca: text({
          description:
            "PEM certificates of the only authorities that count for this API, taken anew when their file changes. Hosts that it redirects to are checked as without.",
          examples: ["${file:/etc/tls/internal-ca.pem}"],
        }),
      },
    ),
    allowedHosts: list(
      {
        description:
          "Hosts that operations with a server of their own may be called on, with this API's credential; on any other host such an operation is an error.",
        default: [],
        examples: [["uploads.acme.com"]],
      },
      hostName,
      { uniqueItems: true },
    ),
    credential: credentialSchema,
    identityHeaders: named(
      {
        description:
          "Headers that tell the API who calls, beside the credential: from the verified token, anything but plain ASCII, and a space at either end, percent-encoded, lists joined by commas. Nothing that a caller sends under such a name gets through.",
        default: {},
        examples: [{ "X-User": "principal.sub", "X-Groups": "principal.claims.groups" }],
      },
      token,
      text({ description: "What is sent.", examples: ["principal.sub"] }, principalPath),
    ),
    timeout: duration({
      description: "For the API to answer a call, every attempt included, at most 300s.",
      default: "30s",
      examples: ["10s"],
    }),
    timeouts: section(
      {
        description: "How long the parts of an exchange with the API may take.",
        default: {},
        examples: [{ connect: "500ms", headers: "3s" }],
      },
      [],
      {
        connect: duration({
          description: "For a connection to be there; a TLS handshake may take 3s more.",
          default: "2s",
          examples: ["500ms"],
        }),
        ...phases,
      },
    ),
    concurrency: concurrency({
      description: "Calls under way to this API.",
      "x-default": "`limits.concurrency`",
      examples: [32],
    }),
    retry: section(
      {
        description:
          "When a request is sent once more: one that provably did not arrive; and of a method that may be repeated (GET, HEAD, OPTIONS, QUERY) one that broke before its answer, or was answered with 408, 429, 502, 503 or 504. At most one of five requests is, and `Retry-After` is obeyed up to 5s.",
        default: {},
        examples: [{ attempts: 0 }, { unsafe: true }],
      },
      [],
      {
        attempts: {
          type: "integer",
          description: "How often beyond the first time; 0: never.",
          default: 1,
          minimum: 0,
          maximum: 3,
          examples: [2],
        },
        unsafe: flag({
          description: "PUT and DELETE may be repeated too.",
          default: false,
          examples: [true],
        }),
        idempotencyKey: text(
          {
            description:
              "Header in which the API takes a key that is new for every call and the same for all attempts; then every method may be repeated.",
            "x-default": "none is sent",
            examples: ["Idempotency-Key"],
          },
          token,
        ),
      },
    ),
    breaker: flag({
      description:
        "Leaves the API alone for a while when half of its answers within 10s are 5xx or none at all, or five connections in a row fail.",
      default: true,
      examples: [false],
    }),
    deepObjectArrays: choice(
      {
        description:
          "How the API reads a list inside a `deepObject` parameter: `a=1&a=2`, `a[]=1&a[]=2` or `a[0]=1&a[1]=2`.",
        default: "repeat",
        examples: ["brackets"],
      },
      ["repeat", "brackets", "indices"],
    ),
    redirects: section(
      {
        description:
          "Redirects of GET and HEAD are followed, at most three, within the API's origin. Without this key none is: the model is told the Location.",
        "x-default": "none is followed",
        examples: [{}, { allowedHosts: ["files.acme.com"] }],
      },
      [],
      {
        allowedHosts: list(
          {
            description:
              "Other hosts that may be asked too, without the caller's credential and never from https to http.",
            default: [],
            examples: [["files.acme.com", "cdn.internal:8080"]],
          },
          hostAndPort,
          { uniqueItems: true },
        ),
      },
    ),
    prefix: flag({
      description:
        "Puts the api's id before tool names that no rule gives, as `courses_search`: names of several APIs then cannot meet.",
      default: false,
      examples: [true],
    }),
    flattenBody: flag({ ...flattenBody, default: false, examples: [true] }),
    when: text({
      description:
        "CEL that must hold for every tool of this API, besides those of its rules and of `auth`.",
      "x-default": "no condition",
      examples: ['principal.claims.department != "contractors"'],
    }),
    keepReadOnly: flag({
      description:
        "Leaves what the document calls `readOnly` in the bodies of PUT, for APIs that want the whole resource back.",
      default: false,
      examples: [true],
    }),
    skipDeprecated: flag({
      description: "Makes no tools of deprecated operations, unless a rule names one.",
      default: false,
      examples: [true],
    }),
    tools: list(
      {
        description:
          "Ordered rules: the first that selects an operation decides. An operation without a rule is no tool.",
        examples: [[{ match: { tags: ["catalog"], methods: ["GET"] } }]],
      },
      ruleSchema,
      { minItems: 1 },
    ),
  },
);

export const apisSchema: JsonSchema = named(
  {
    description: "The APIs behind the gateway, by id.",
    minProperties: 1,
    examples: [
      {
        courses: {
          spec: "specs/courses.yaml",
          credential: "none",
          tools: [{ match: { methods: ["GET"] } }],
        },
      },
    ],
  },
  idNames,
  apiSchema,
);
