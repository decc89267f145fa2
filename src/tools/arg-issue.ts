/** One finding about an argument, e.g. `filter.limit` expected integer, got "ten". */
export interface ArgIssue {
  /** Argument name and path inside it: `body.items[0].sku`. */
  readonly path: string;
  readonly message: string;
}
