import { exactFormOf, printExactly } from "../../base/exact-number.ts";
import type { JsonObject, JsonSchema } from "../../base/json.ts";
import type { ArgsMode, AuditConfig } from "../../config/types/audit.ts";
import type { Digest } from "./digest.ts";
import { glob } from "./query.ts";
import { compileShow } from "./redact.ts";

/**
 * The `args` member of a record, with a comma in front.
 *
 * @param before What the record says of the call up to here.
 */
export type DescribeArgs = (args: JsonObject, digest: Digest, before: string) => string;

/** Of who calls what with which arguments: the rest of a line of 4 KiB is for how it went. */
const maxBytes = 2_650;
/** Of `args` without what they say. */
const frameBytes = 150;

/** Size and digest: what every log may know. */
export const describeByDigest: DescribeArgs = (args, digest) =>
  `,"args":{"mode":"digest",${sizeOf(args, digest)}}`;

const describeNothing: DescribeArgs = () => "";

/** How the log describes the arguments of one tool: the first pattern that fits its name says. */
export function compileArgs(
  { args, redact }: Pick<AuditConfig, "args" | "redact">,
  tool: { readonly name: string; readonly inputSchema: JsonSchema },
): DescribeArgs {
  const mode = args.tools.find(({ pattern }) => glob(pattern)(tool.name))?.mode ?? args.default;
  if (mode.kind === "none") return describeNothing;
  if (mode.kind === "digest") return describeByDigest;
  const show = compileShow(mode, redact, tool.inputSchema);
  return (values, digest, before) => {
    const room = maxBytes - frameBytes - Buffer.byteLength(before);
    const { fields, redacted, cut } = show(exactFormOf(values), room);
    const hidden = redacted.length === 0 ? "" : `,"redacted":${JSON.stringify(redacted)}`;
    return `,"args":{"mode":"${mode.kind}","fields":${JSON.stringify(fields)}${hidden}${cut ? `,"truncated":true` : ""},${sizeOf(values, digest)}}`;
  };
}

/** For a tool that nobody found: what it would show is not known. */
export function describeUnknown({ default: mode }: { readonly default: ArgsMode }): DescribeArgs {
  return mode.kind === "none" ? describeNothing : describeByDigest;
}

function sizeOf(args: JsonObject, digest: Digest): string {
  const text = printExactly(exactFormOf(args));
  return `"digest":"${digest(text)}","bytes":${Buffer.byteLength(text)}`;
}
