/** A node of a parsed JMESPath expression; what else it holds depends on its type. */
interface Node {
  readonly type?: unknown;
  readonly name?: unknown;
  readonly value?: unknown;
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
  return growthOf(program) <= maxCopies;
}

/** So many times as large as what it is given may be what an expression makes of it. */
function growthOf(value: unknown): number {
  if (Array.isArray(value)) return productOf(value as readonly unknown[]);
  if (!isNode(value)) return 1;
  if (!isSinglePassNode(value)) return Number.POSITIVE_INFINITY;
  // The value of a literal is data that may look like a node.
  if (value.type === "Literal") return 1;
  if (value.type !== "Function" && !isMultiSelect(value)) return productOf(Object.values(value));
  const given = childrenOf(value).filter(varies);
  const parts = given.filter((child) => !isReference(child));
  const sum = parts.reduce<number>((all, part) => all + growthOf(part), 0);
  return productOf(given.filter(isReference)) * Math.max(1, sum) * ownGrowthOf(value);
}

function productOf(values: readonly unknown[]): number {
  return values.reduce<number>((all, value) => all * growthOf(value), 1);
}

/** What a function adds to its arguments. */
function ownGrowthOf(node: Node): number {
  // A text in a text: every escape is escaped.
  if (node.name === "to_string") return 2;
  if (node.name !== "join") return 1;
  // Of a text in pieces of one character, or between the pieces that the expression has.
  const literal = childrenOf(node).find((child) => !varies(child));
  const value = isNode(literal) ? literal.value : undefined;
  return typeof value === "string" || Array.isArray(value) ? 1 + value.length : 1;
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

function isReference(child: unknown): boolean {
  return isNode(child) && child.type === "ExpressionReference";
}

function varies(argument: unknown): boolean {
  return !(isNode(argument) && argument.type === "Literal");
}
