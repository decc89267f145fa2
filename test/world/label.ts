interface Labelled {
  readonly _meta?: Readonly<Record<string, unknown>>;
}

/** A result without the label of what an API has said, for tests that are about what it said. */
export function unlabelled<T extends object>(result: T & Labelled): T {
  const { _meta: meta = {}, ...rest } = result;
  const { "dev.tollgate/untrusted": _, ...others } = meta;
  return (Object.keys(others).length === 0 ? rest : { ...rest, _meta: others }) as T;
}
