import type { JsonSchema } from "../../base/json.ts";
import { section } from "./shape.ts";
import { concurrency, duration, rate, size } from "./units.ts";

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
      description: "Largest response body accepted from an API, decompressed, at most 1GiB. Up to 1MiB is held in memory; what is larger too, unless the rule has `maxTokens` above 262144 and nothing needs the answer whole: its text is then passed on while it arrives.",
      default: "1MiB",
      examples: ["4MiB"],
    }),
    concurrency: concurrency({
      description: "Calls under way to one API; an API may have its own number.",
      default: 128,
      examples: [32],
    }),
    principalConcurrency: concurrency({
      description: "Calls under way of one person or machine, whatever tokens they use.",
      default: 16,
      examples: [4],
    }),
    tokens: {
      type: "integer",
      description:
        "Exchanged tokens that are kept in memory, about 2.5 kB each; the one that was not used for longest makes room.",
      default: 10_000,
      minimum: 100,
      maximum: 1_000_000,
      examples: [50_000],
    },
    totalConcurrency: concurrency({
      description: "Calls under way in all; one more is refused at once.",
      default: 1_024,
      examples: [256],
    }),
    queue: {
      type: "integer",
      description:
        "Calls that wait while as many are under way to an API, or of a person, as may be; one more is refused as busy.",
      default: 64,
      minimum: 0,
      maximum: 65_536,
      examples: [0],
    },
    queueTimeout: duration({
      description: "How long such a call waits before it is refused as busy, at most 60s.",
      default: "1s",
      examples: ["5s"],
    }),
    rate: section(
      {
        description:
          "How often, as a count and a time: `60/m` is 60 within any minute, all of which may come at once.",
        default: {},
        examples: [{ principal: "120/m", address: "50/s" }],
      },
      [],
      {
        principal: rate({
          description: "Calls of one person or machine, whatever tokens they use.",
          "x-default": "no limit",
          examples: ["120/m"],
        }),
        client: rate({
          description: "Calls through one OAuth client, whoever uses it.",
          "x-default": "no limit",
          examples: ["1000/m"],
        }),
        tool: rate({
          description: "Calls of any one tool by one person; a rule may give its tools their own.",
          "x-default": "no limit",
          examples: ["30/m"],
        }),
        external: rate({
          description: "Calls of all tools with `egress: external` together by one person.",
          "x-default": "no limit",
          examples: ["10/h"],
        }),
        address: rate({
          description:
            "Requests from one address (IPv6: one /64), before anything else is looked at; one more is answered with 429.",
          "x-default": "no limit",
          examples: ["50/s"],
        }),
      },
    ),
    shedding: section(
      {
        description:
          "When requests are turned away with 503 because the gateway cannot keep up; beside `totalConcurrency`, and memory that runs out.",
        default: {},
        examples: [{ loopDelay: "500ms", after: "10s" }],
      },
      [],
      {
        loopDelay: duration({
          description:
            "What one of a hundred turns of the event loop may be late by. Half of it counts as calm again.",
          default: "250ms",
          examples: ["500ms"],
        }),
        after: duration({
          description:
            "How long turns may be late before anybody is turned away, so that a machine which is busy for a moment refuses nobody. Then fewer calls may be under way, down to eight.",
          default: "3s",
          examples: ["10s"],
        }),
      },
    ),
    connections: concurrency({
      description: "Connections of clients; one more is closed at once.",
      default: 16_384,
      examples: [1_000],
    }),
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
