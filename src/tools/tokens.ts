import type { Issue, Position } from "../base/issue.ts";
import type { Tool } from "./tool.ts";

/** What a text costs in a model's context, at about four bytes a token. */
export function estimateTokens({ entry }: Pick<Tool, "entry">): number {
  return Math.ceil(Buffer.byteLength(entry) / 4);
}

/** Models choose worse among more, and pay for every one in every conversation. */
const maxTools = 40;
const maxTokens = 20_000;
/** A schema above this costs more than a dozen usual tools. */
const largeSchemaBytes = 8_192;

/** @param position Where a finding about all tools belongs. */
export function warnOfCost(tools: readonly Tool[], position: Position): readonly Issue[] {
  const tokens = tools.reduce((sum, tool) => sum + estimateTokens(tool), 0);
  const warning = { severity: "warning", position } as const;
  const issues: Issue[] = [];
  if (tools.length > maxTools || tokens > maxTokens) {
    issues.push({
      ...warning,
      code: "many_tools",
      message: `${tools.length} tools cost about ${tokens} tokens in every conversation; models choose worse among more than ${maxTools} tools or ${maxTokens} tokens`,
      help: "select fewer operations; tollgate tools list --tokens shows what each costs",
    });
  }
  const large = tools
    .filter(({ entry }) => Buffer.byteLength(entry) > largeSchemaBytes)
    .toSorted((a, b) => b.entry.length - a.entry.length);
  if (large.length > 0) {
    const named = large.slice(0, 5).map((tool) => `${tool.name} (${estimateTokens(tool)} tokens)`);
    const more = large.length > named.length ? ` and ${large.length - named.length} more` : "";
    issues.push({
      ...warning,
      code: "large_tool",
      message: `more than ${largeSchemaBytes} bytes each: ${named.join(", ")}${more}`,
      help: "hide arguments with args, or take another media type",
    });
  }
  return issues;
}
