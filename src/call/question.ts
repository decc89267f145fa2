import { hash } from "node:crypto";
import type { Question } from "../base/errors.ts";
import { exactFormOf } from "../base/exact-number.ts";
import type { JsonObject } from "../base/json.ts";
import { escapeText } from "../base/text.ts";
import type { RedactConfig } from "../config/types/audit.ts";
import { compileShow } from "../observe/record/redact.ts";
import type { Tool } from "../tools/tool.ts";

/** Of the arguments together; each has its share, so that none can hide another. */
const maxBytes = 6_000;
const minBytes = 160;

/**
 * What a person is asked before a call of this tool. Secrets are masked as in the audit log, and no
 * argument can begin a line of its own.
 */
export function compileQuestion(tool: Tool, redact: RedactConfig): (args: JsonObject) => Question {
  const show = compileShow({ kind: "full" }, redact, tool.inputSchema);
  const head = `${nameOf(tool)}: may this call be made?`;
  return (args) => {
    const all = Object.entries(exactFormOf(args));
    const room = Math.max(minBytes, Math.floor(maxBytes / Math.max(1, all.length)));
    const lines = all.map(([name, value]) => {
      const { fields, cut } = show({ [name]: value }, room);
      const [shown] = Object.values(fields);
      const text = shown === undefined ? "…" : JSON.stringify(shown);
      return `${escapeText(name, 64)}: ${text}${cut ? " (not shown whole)" : ""}`;
    });
    const message = [head, ...(lines.length === 0 ? ["It has no arguments."] : lines)].join("\n");
    return { message, digest: hash("sha256", message, "base64url") };
  };
}

function nameOf({ name, entry, api, operation: { method, path } }: Tool): string {
  const { title } = JSON.parse(entry) as { readonly title?: string };
  const told = title === undefined ? name : `${name} (${escapeText(title, 128)})`;
  return `${told}, ${method} ${escapeText(path)} of ${api}`;
}
