import type { JsonSchema } from "../../base/json.ts";
import { choice, list, section, text } from "./shape.ts";
import { duration, hostName, listen } from "./units.ts";

export const serverSchema: JsonSchema = section(
  {
    description: "The public side: where MCP clients find the gateway.",
    examples: [{ url: "https://mcp.acme.com", listen: "0.0.0.0:3000" }],
  },
  ["url"],
  {
    url: text({
      description:
        "Public origin that clients use. Every advertised URL starts with it, never with the Host header. https, or http on a loopback host; no path, no trailing slash.",
      examples: ["https://mcp.acme.com", "http://localhost:3000"],
    }),
    listen: listen({
      description:
        "Where the gateway accepts connections: `host:port`, `:port` (every IPv4 interface), or a port number (loopback).",
      "x-default": "127.0.0.1 and the port of `url`",
      examples: ["0.0.0.0:3000", ":3000", "[::1]:3000", 3000],
    }),
    tls: section(
      {
        description:
          "Serve https without a proxy in front. Certificate and key are taken anew when their files change.",
        "x-default": "plain http",
        examples: [
          { certificate: "${file:/etc/tls/tls.crt}", key: "${file:/etc/tls/tls.key}" },
        ],
      },
      ["certificate", "key"],
      {
        certificate: text({
          description: "PEM certificate, followed by those between it and the root.",
          examples: ["${file:/etc/tls/tls.crt}"],
        }),
        key: text({
          description: "Its private key as PEM.",
          "x-secret": true,
          examples: ["${file:/etc/tls/tls.key}"],
        }),
        clientCertificate: choice(
          {
            description:
              "Ask clients for a certificate. Tokens that are bound to one (RFC 8705) are accepted with it and with no other; without this they are refused. `required`: no connection without a certificate of `clientCa`.",
            default: "off",
            examples: ["optional"],
          },
          ["off", "optional", "required"],
        ),
        clientCa: text({
          description: "PEM certificates of the authorities whose client certificates count.",
          "x-default": "with `optional` any certificate counts, as a bound token names its own",
          examples: ["${file:/etc/tls/clients.pem}"],
        }),
      },
    ),
    trustProxy: section(
      {
        description:
          "Proxies that are believed when they say whose request they pass on: for rates by address, the audit log and the broker. What anybody else says is ignored.",
        "x-default": "nobody is believed",
        examples: [{ networks: ["10.0.0.0/8"] }],
      },
      ["networks"],
      {
        networks: list(
          {
            description:
              "Their addresses, as CIDR or single ones: every proxy on the way and nothing else, for whoever asks from such an address can call itself anything.",
            examples: [["10.0.0.0/8", "2001:db8::/48", "127.0.0.1"]],
          },
          { type: "string", minLength: 1 },
          { minItems: 1, uniqueItems: true },
        ),
        header: choice(
          {
            description:
              "The header that they set, each adding at its end who asked it. The other one is not read.",
            default: "x-forwarded-for",
            examples: ["forwarded"],
          },
          ["x-forwarded-for", "forwarded"],
        ),
      },
    ),
    drain: section(
      {
        description: "How the gateway stops after SIGTERM or SIGINT.",
        default: {},
        examples: [{ delay: "5s", timeout: "50s", grace: "60s" }],
      },
      [],
      {
        delay: duration({
          description:
            "How long it goes on accepting while `/readyz` says 503, until load balancers know.",
          "x-default": "5s in Kubernetes (KUBERNETES_SERVICE_HOST is set), else 0s",
          examples: ["10s"],
        }),
        timeout: duration({
          description: "How long calls under way may then take; the rest are ended.",
          default: "25s",
          examples: ["50s"],
        }),
        grace: duration({
          description:
            "When the process ends whatever happens; what the supervisor gives it before SIGKILL. Longer than `delay` and `timeout` together.",
          default: "60s",
          examples: ["90s"],
        }),
      },
    ),
    allowedHosts: list(
      {
        description:
          "Further host names accepted in the Host header, without port. That of `url` always is; on a loopback listener also localhost, 127.0.0.1 and ::1.",
        default: [],
        examples: [["mcp.internal"]],
      },
      hostName,
      { uniqueItems: true },
    ),
    allowedOrigins: list(
      {
        description:
          "Further host names accepted in the Origin header of browsers, without scheme and port. Same defaults as `allowedHosts`.",
        default: [],
        examples: [["app.acme.com"]],
      },
      hostName,
      { uniqueItems: true },
    ),
  },
);

export const adminSchema: JsonSchema = section(
  {
    description:
      "A second listener for operators: health, readiness, metrics, what is served. Absent: there is none.",
    "x-default": "no admin listener",
    examples: [{ listen: "127.0.0.1:9091" }],
  },
  ["listen"],
  {
    listen: listen({
      description: "Where it accepts connections; loopback only.",
      examples: ["127.0.0.1:9091"],
    }),
  },
);

export const metricsSchema: JsonSchema = section(
  {
    description:
      "A listener for who scrapes metrics and asks for health from another machine: `/metrics`, `/livez` and `/readyz`, and nothing else of `admin`. Without login and TLS: only monitoring should reach it.",
    "x-default": "no such listener; `admin.listen` has them on loopback",
    examples: [{ listen: "0.0.0.0:9464" }],
  },
  ["listen"],
  {
    listen: listen({
      description: "Where it accepts connections.",
      examples: ["0.0.0.0:9464"],
    }),
  },
);
