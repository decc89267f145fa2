/** A node of a parsed JMESPath expression; what else it holds depends on its type. */
interface Node {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly children?: unknown;
}

/** What takes the place of a whole answer may be this many times as large. */
const maxCopies = 100;

const singlePassNodes: ReadonlySet<unknown> = new Set([
  "AndExpression",
  "Comparator",
  "Current",
  "ExpressionReference",
  "Field",
  "FilterProjection",
  "Flatten",
  "Function",
  "Identity",
  "Index",
  "IndexExpression",
  "KeyValuePair",
  "Literal",
  "MultiSelectHash",
  "MultiSelectList",
  "NotExpression",
  "OrExpression",
  "Pipe",
  "Projection",
  "Slice",
  "Subexpression",
  "Ternary",
  "ValueProjection",
]);

/** Whatever their arguments are. */
const singlePassFunctions: ReadonlySet<unknown> = new Set(
  (
    "abs avg ceil ends_with floor from_items group_by items keys length lower map max max_by merge " +
    "min min_by not_null reverse sort sort_by starts_with sum to_array to_number to_string type " +
    "upper values zip"
  ).split(" "),
);

/** While all but one of their arguments are written in the expression. */
const singlePassWithLiterals: ReadonlySet<unknown> = new Set(
  "contains find_first find_last join split".split(" "),
);

/**
 * Whether evaluating an expression takes time in proportion to the answer, sorting apart, whatever
 * the answer is. Steps see only the value that the step before them left, so without `$`, variables
 * and functions that copy a text over and over nothing is looked at again and again.
 */
export function isSinglePass(program: unknown): boolean {
  let copies = 1;
  const pending: unknown[] = [program];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (Array.isArray(node)) pending.push(...(node as unknown[]));
    if (!isNode(node)) continue;
    if (!isSinglePassNode(node)) return false;
    // The value of a literal is data that may look like a node.
    if (node.type === "Literal") continue;
    if (isMultiSelect(node)) copies *= Math.max(1, childrenOf(node).length);
    pending.push(...Object.values(node));
  }
  return copies <= maxCopies;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

function isSinglePassNode(node: Node): boolean {
  if (!singlePassNodes.has(node.type)) return false;
  if (node.type !== "Function" || singlePassFunctions.has(node.name)) return true;
  return singlePassWithLiterals.has(node.name) && childrenOf(node).filter(varies).length <= 1;
}

function isMultiSelect({ type }: Node): boolean {
  return type === "MultiSelectHash" || type === "MultiSelectList";
}

function childrenOf({ children }: Node): readonly unknown[] {
  return Array.isArray(children) ? (children as readonly unknown[]) : [];
}

function varies(argument: unknown): boolean {
  return !(isNode(argument) && argument.type === "Literal");
}
