import { languages, levels } from "./model.ts";
import { sorts } from "./search.ts";

/*
 * What each request must look like, for fastify's validation. A test holds these schemas to the
 * published document: what one refuses, the other must refuse.
 */

const id = { type: "string", minLength: 1, maxLength: 96 } as const;
const words = (maxItems: number, item: object): object => ({
  type: "array",
  maxItems,
  uniqueItems: true,
  items: item,
});
const line = (maxLength: number): object => ({ type: "string", minLength: 1, maxLength });
const slug = { type: "string", maxLength: 64, pattern: "^[a-z0-9]+(-[a-z0-9]+)*$" } as const;

const strict = (properties: object, required: readonly string[] = []): object => ({
  type: "object",
  additionalProperties: false,
  properties,
  required,
});

export const courseParams: object = strict({ courseId: id }, ["courseId"]);
export const learnerParams: object = strict({ learnerId: id }, ["learnerId"]);
export const enrolmentParams: object = strict({ enrolmentId: id }, ["enrolmentId"]);

export const noQuery: object = strict({});

export const searchQuery: object = strict({
  q: line(200),
  topic: { ...words(10, slug), minItems: 1 },
  level: { enum: levels },
  language: { enum: languages },
  maxHours: { type: "integer", minimum: 1, maximum: 1000 },
  sort: { enum: sorts, default: "relevance" },
  limit: { type: "integer", minimum: 1, maximum: 50, default: 10 },
  offset: { type: "integer", minimum: 0, maximum: 10_000, default: 0 },
});

export const activityQuery: object = strict({
  since: { type: "string", format: "date" },
  limit: { type: "integer", minimum: 1, maximum: 100, default: 20 },
});

export const enrolmentHeaders: object = {
  type: "object",
  properties: { "idempotency-key": { type: "string", pattern: "^[!-~]{1,128}$" } },
};

export const enrolmentBody: object = strict(
  { learnerId: id, courseId: id, sessionId: id, note: { type: "string", maxLength: 500 } },
  ["learnerId", "courseId"],
);

const money = strict(
  { amount: { type: "integer", minimum: 0, maximum: 100_000 }, currency: { const: "EUR" } },
  ["amount", "currency"],
);

const courseMembers = {
  id: slug,
  title: line(120),
  summary: line(200),
  description: line(2000),
  topics: { ...words(5, slug), minItems: 1 },
  level: { enum: levels },
  language: { enum: languages },
  hours: { type: "integer", minimum: 1, maximum: 1000 },
  provider: line(80),
  price: money,
  prerequisites: words(10, slug),
  skills: words(20, line(60)),
};

export const courseBody: object = strict(courseMembers, Object.keys(courseMembers));

const listParameters: ReadonlySet<string> = new Set(["topic"]);
const numberParameters: ReadonlySet<string> = new Set(["maxHours", "limit", "offset"]);

/**
 * Query text has no types. They are given here and not by the validator's coercion, which would
 * make a number of the string "5" in a JSON body too. What does not fit stays text and is refused.
 */
export function readQuery(text: string): Record<string, unknown> {
  const parameters = new URLSearchParams(text);
  const read: Record<string, unknown> = Object.create(null);
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    const [value = ""] = values;
    if (listParameters.has(name) || values.length > 1) read[name] = values;
    else read[name] = numberParameters.has(name) && /^\d{1,9}$/.test(value) ? Number(value) : value;
  }
  return read;
}
