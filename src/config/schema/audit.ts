import type { JsonSchema } from "../../base/json.ts";
import { choice, exactlyOne, flag, list, named, section, text } from "./shape.ts";
import { otlpSection } from "./telemetry.ts";
import { duration, fieldPath, size } from "./units.ts";

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
            rotate: section(
              {
                description:
                  "Starts a new file when one is full or old; without it the file grows until somebody else moves it.",
                "x-default": "—",
                examples: [{ size: "256MiB", keep: 90 }],
              },
              [],
              {
                size: size({
                  description: "Largest size of a file, at most 1GiB.",
                  default: "256MiB",
                  examples: ["1GiB"],
                }),
                every: duration({
                  description: "Longest time that one file is written to, from 1m to 8784h.",
                  default: "24h",
                  examples: ["1h"],
                }),
                keep: {
                  type: "integer",
                  description:
                    "Full files that stay; older ones are removed, and the log says so. What a network sink has not taken yet is never removed.",
                  default: 365,
                  minimum: 1,
                  maximum: 100_000,
                  examples: [30],
                },
                compress: flag({
                  description: "Compresses full files with gzip, all but the newest.",
                  default: true,
                  examples: [false],
                }),
              },
            ),
          },
        ),
        syslog: section(
          {
            description:
              "Send to a syslog server as RFC 5424, with octet counting. Sent from the files of the `file` sink.",
            "x-default": "—",
            examples: [{ url: "tls://logs.internal:6514" }],
          },
          ["url"],
          {
            url: text(
              {
                description: "`tls://host:port` or `tcp://host:port`.",
                examples: ["tls://logs.internal:6514"],
              },
              {
                pattern: "^(tcp|tls)://([0-9a-z]([0-9a-z.-]*[0-9a-z])?|\\[[0-9a-f:.]+\\]):[1-9]\\d{0,4}$",
                patternErrorMessage: "must be tls://host:port or tcp://host:port",
              },
            ),
            ca: text({
              description: "Certificates to trust instead of the usual ones, as PEM.",
              "x-default": "—",
              examples: ["${file:/etc/ssl/logs-ca.pem}"],
            }),
          },
        ),
        webhook: section(
          {
            description:
              "POST batches as a JSON array, signed as Standard Webhooks says. Sent from the files of the `file` sink.",
            "x-default": "—",
            examples: [{ url: "https://siem.acme.com/in", secret: "${file:/run/secrets/webhook}" }],
          },
          ["url", "secret"],
          {
            url: text({
              description: "Answers 2xx for what it has taken; everything else is sent again.",
              examples: ["https://siem.acme.com/in"],
            }),
            secret: text({
              description:
                "Key of the HMAC-SHA-256 in `webhook-signature`; behind `whsec_` it is Base64.",
              "x-secret": true,
              examples: ["${file:/run/secrets/webhook}"],
            }),
          },
        ),
        otlp: otlpSection(
          "Send to an OpenTelemetry collector as log records (OTLP/HTTP in JSON). Sent from the files of the `file` sink.",
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
      exactlyOne(["file", "stdout", "syslog", "webhook", "otlp"]),
    ),
  ],
};

const argsWord: JsonSchema = { type: "string", enum: ["digest", "none", "full"] };

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
    args: {
      description:
        "What records say of arguments: a mode for all tools, or one for each. `digest`: size and keyed digest; `none`: nothing; `full`: everything that `redact` does not hide.",
      default: "digest",
      examples: ["none", { tools: { "orders_*": { fields: ["id"] } } }],
      anyOf: [
        argsWord,
        section({ description: "A mode for each tool." }, [], {
          default: {
            ...argsWord,
            description: "For tools that no pattern fits.",
            default: "digest",
            examples: ["none"],
          },
          tools: named(
            {
              description:
                "By the name of a tool, where `*` stands for any characters; the first that fits counts.",
              default: {},
              examples: [{ "orders_*": { fields: ["id", "status"] }, "hr_*": "none" }],
            },
            { minLength: 1 },
            {
              description: "A mode, or what is shown beside size and digest.",
              anyOf: [
                argsWord,
                section({ description: "Only these arguments are shown." }, [], {
                  fields: list(
                    {
                      description: "Names of arguments, with dots between levels.",
                      default: [],
                      examples: [["id", "filter.status"]],
                    },
                    fieldPath,
                  ),
                  mask: named(
                    {
                      description:
                        "Arguments of which a part is shown: `keep-domain` of an e-mail address, `last4` characters.",
                      default: {},
                      examples: [{ email: "keep-domain" }],
                    },
                    fieldPath,
                    { type: "string", enum: ["keep-domain", "last4"], description: "Which part." },
                  ),
                }),
              ],
            },
          ),
        }),
      ],
    },
    result: choice(
      {
        description:
          "What records say of answers: their `size`, or a keyed `digest` as well, which costs time.",
        default: "size",
        examples: ["digest"],
      },
      ["size", "digest"],
    ),
    redact: section(
      {
        description: "What is hidden in arguments that are shown.",
        default: {},
        examples: [{ keys: ["patientId"] }],
      },
      [],
      {
        keys: list(
          {
            description:
              "Names at any depth, beside the usual ones (password, token, secret, authorization, …), without regard to case, `-`, `_` and `.`; `*` in front or behind stands for any characters.",
            default: [],
            examples: [["patientId", "*salary*"]],
          },
          text({ description: "A name.", examples: ["patientId"] }),
        ),
        detectors: list(
          {
            description: "Values that are hidden whatever they are called.",
            default: ["pan", "iban", "jwt", "aws-key", "private-key"],
            examples: [["email", "phone", "jwt"]],
          },
          {
            type: "string",
            enum: ["email", "pan", "iban", "jwt", "aws-key", "private-key", "phone"],
          },
        ),
        schema: flag({
          description:
            "Hides what the document marks with `writeOnly`, `format: password` or `x-sensitive`.",
          default: true,
          examples: [false],
        }),
      },
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
