import type { JsonSchema } from "../../base/json.ts";
import { choice, exactlyOne, list, section, text } from "./shape.ts";
import { duration, size } from "./units.ts";

export const limitsSchema: JsonSchema = section(
  { description: "Bounds on every call.", default: {}, examples: [{ responseSize: "4MiB" }] },
  [],
  {
    requestSize: size({
      description: "Largest request body accepted from a client, at most 1GiB.",
      default: "1MiB",
      examples: ["512KiB"],
    }),
    responseSize: size({
      description: "Largest response body accepted from an API, decompressed, at most 1GiB.",
      default: "1MiB",
      examples: ["4MiB"],
    }),
    concurrency: {
      type: "integer",
      description: "Calls in flight to one API; one more is refused as busy.",
      default: 128,
      minimum: 1,
      maximum: 65_536,
      examples: [32],
    },
    callTimeout: duration({
      description:
        "For a whole call: waiting for a place, getting a credential, and the API with every attempt. No `timeout` may be longer.",
      default: "60s",
      examples: ["120s"],
    }),
    listenStreams: {
      type: "integer",
      description:
        "Clients of 2026-07-28 that listen for changes at one endpoint; one more is refused.",
      default: 1_000,
      minimum: 1,
      maximum: 65_536,
      examples: [10_000],
    },
  },
);

const sinkSchema: JsonSchema = {
  description: "Where records go: exactly one kind.",
  anyOf: [
    { type: "string", enum: ["stdout"] },
    section(
      { description: "One kind with its settings." },
      [],
      {
        file: section(
          {
            description: "Append to files in a directory.",
            "x-default": "—",
            examples: [{ dir: "var/audit" }],
          },
          [],
          {
            dir: text({
              description: "The directory, relative to gateway.yaml; made when it does not exist.",
              default: "var/audit",
              examples: ["/var/log/tollgate"],
            }),
          },
        ),
        stdout: section(
          {
            description: "Write to standard output. The bare word `stdout` says the same.",
            "x-default": "—",
            examples: [{}],
          },
          [],
          {},
        ),
      },
      exactlyOne(["file", "stdout"]),
    ),
  ],
};

export const auditSchema: JsonSchema = section(
  {
    description: "The record of every call and every refusal.",
    default: {},
    examples: [{ sinks: ["stdout"] }],
  },
  [],
  {
    sinks: list(
      {
        description: "Where records go; each sink gets all.",
        default: [{ file: { dir: "var/audit" } }],
        examples: [[{ file: { dir: "/var/log/tollgate" } }, "stdout"]],
      },
      sinkSchema,
      { minItems: 1 },
    ),
    args: choice(
      {
        description:
          "`digest`: size and keyed digest of the arguments; `none`: nothing about them.",
        default: "digest",
        examples: ["none"],
      },
      ["digest", "none"],
    ),
    durability: choice(
      {
        description:
          "What a record must have reached before its call is answered. `flushed`: the operating system, so that it outlives the process; `fsync`: the disk, so that it outlives the machine; `buffered`: memory.",
        default: "flushed",
        examples: ["fsync"],
      },
      ["buffered", "flushed", "fsync"],
    ),
    onFailure: choice(
      {
        description:
          "What happens while records cannot be written. `deny`: calls are refused; `deny-unsafe`: those that may change something (POST, PUT, PATCH, DELETE) are; `allow`: none is, up to 10,000 records wait, and what is lost beyond them is counted in the log itself.",
        default: "deny-unsafe",
        examples: ["deny"],
      },
      ["deny", "deny-unsafe", "allow"],
    ),
    signingKey: text({
      description:
        "Ed25519 private key as PKCS #8 PEM: signs a checkpoint every 1000 records, every minute and at the end, so that nobody without it can write the log anew.",
      "x-default": "checkpoints are not signed",
      "x-secret": true,
      examples: ["${file:/run/secrets/audit.pem}"],
    }),
  },
);
