import type { JsonSchema } from "../../base/json.ts";
import { section } from "./shape.ts";
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
