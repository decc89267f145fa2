import type { Issue } from "../base/issue.ts";
import type { Tool } from "./tool.ts";

/**
 * What speaks to the model instead of describing an API, in the words that attacks have used. It finds
 * the careless; a document that is not trusted needs `trust: locked` and a reader.
 */
const suspicious: readonly RegExp[] = [
  /\b(?:ignore|disregard|forget|override) (?:all |any |the |your )?(?:previous|prior|above|earlier|other|system) (?:instruction|prompt|message|rule|tool)/i,
  /<\/?(?:important|system|instructions?|secret|admin)>/i,
  /\b(?:do not|don't|never) (?:tell|mention|inform|reveal|show|notify)\b[^.]{0,40}\buser\b/i,
  /\bbefore (?:using|calling|invoking) (?:this|any|the) tool\b/i,
  /\b(?:you must|always) (?:first )?(?:call|use|invoke|read|send|include|pass)\b/i,
  /~\/\.\w|\bid_rsa\b|\/etc\/(?:passwd|shadow)\b/,
  /\bsend\b[^.]{0,60}\bto (?:https?:|[\w.-]{1,64}@)/i,
];

/** One warning for each tool whose texts, of its arguments too, read like an order. */
export function warnOfInstructions(tools: readonly Tool[]): readonly Issue[] {
  return tools.flatMap(({ name, entry, operation }): Issue[] => {
    const match = suspicious.map((pattern) => pattern.exec(entry)?.[0]).find(Boolean);
    if (match === undefined) return [];
    return [
      {
        severity: "warning",
        code: "suspicious_description",
        message: `the texts of ${name} tell the model what to do: ${JSON.stringify(match.slice(0, 80))}`,
        position: operation.position,
        help: "read them; a rule's description and those of args replace them",
      },
    ];
  });
}
