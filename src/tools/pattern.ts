import { RE2JS } from "re2js";

/**
 * ajv's regular expression engine: RE2, which takes time linear in the text, because patterns come
 * from documents and texts from models. Unanchored, as JSON Schema says.
 */
export interface PatternEngine {
  (pattern: string, flags: string): { test: (text: string) => boolean; toString: () => string };
  code: string;
}

export const compilePattern: PatternEngine = Object.assign(
  (pattern: string) => {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern));
    return {
      test: (text: string) => compiled.matcher(text).find(),
      // ajv tells patterns apart by this text; without it all of them become the first one.
      toString: () => `/${pattern}/re2`,
    };
  },
  { code: "compilePattern" },
);

/** False for lookaround and backreferences, which a linear-time engine cannot have. */
export function isLinearPattern(pattern: string): boolean {
  try {
    compilePattern(pattern, "u");
    return true;
  } catch {
    return false;
  }
}
