import { ConfigError } from "../base/errors.ts";
import type { Issue } from "../base/issue.ts";

/** What `make` makes, or undefined and its findings among the others. */
export function collect<T>(issues: Issue[], make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues);
    return undefined;
  }
}
