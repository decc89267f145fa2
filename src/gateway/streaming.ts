import type { Config } from "../config/config.ts";
import { isUnsafe } from "../observe/record/text.ts";
import type { Tool } from "../tools/tool.ts";
import { replyLimitsOf } from "../upstream/reply/map-reply.ts";
import { streamAboveBytes } from "../upstream/reply/streamed-text.ts";

/** Whether a call is refused while the audit log cannot be written. */
export function needsAudit({ audit }: Pick<Config, "audit">, tool: Tool): boolean {
  return audit.onFailure === "deny" || (audit.onFailure === "deny-unsafe" && isUnsafe(tool));
}

/**
 * Whether a large answer of a tool may be passed on while it arrives. Not where it is refused or cut
 * before it is large, where its record needs all of it, and where nothing may be told before the
 * record of it is written: of a call that may change something, one is written beforehand.
 */
export function mayStream(config: Config, tool: Tool): boolean {
  return (
    config.limits.maxResponseBytes > streamAboveBytes &&
    replyLimitsOf(tool.response).maxTextChars > streamAboveBytes &&
    config.audit.result !== "digest" &&
    (isUnsafe(tool) || !needsAudit(config, tool))
  );
}
