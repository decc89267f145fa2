import type { Refused } from "./case.ts";

export const texts: readonly Refused[] = [
  {
    because: "a key stands once",
    from: "  concurrency: 64",
    to: "  concurrency: 1\n  ¦concurrency: 64",
    code: "duplicate_key",
  },
  {
    because: "tabs do not indent",
    from: "  concurrency: 64",
    to: "¦\tconcurrency: 64",
    code: "invalid_yaml",
  },
  {
    because: "a tag is not known",
    from: "concurrency: 64",
    to: "concurrency: !secret 64",
    code: "unknown_tag",
  },
  {
    because: "binary is no core tag",
    from: "timeout: 10s",
    to: "timeout: !!binary aGk=",
    code: "unknown_tag",
  },
  {
    because: "an alias has an anchor",
    from: "concurrency: 64",
    to: "concurrency: ¦*nothing",
    code: "invalid_yaml",
  },
  { because: "a quote ends", from: "timeout: 10s", to: 'timeout: "10s', code: "invalid_yaml" },
  { because: "a list is not closed", from: "[mcp:tools]", to: "[mcp:tools", code: "invalid_yaml" },
  {
    because: "a second document is not read",
    from: "limits:\n",
    to: "---\nlimits:\n",
    code: "invalid_yaml",
  },
  {
    because: "JSON carries no infinity",
    from: "{from: principal.sub}",
    to: "{value: ¦.inf}",
    code: "invalid_value",
  },
  {
    because: "JSON carries no long integers",
    from: "{from: principal.sub}",
    to: "{value: ¦12345678901234567890}",
    code: "invalid_value",
  },
  {
    because: "a variable is not set",
    from: "timeout: 10s",
    to: "timeout: ¦${NOT_SET}",
    code: "unset_variable",
  },
  {
    because: "a reference is not closed",
    from: "timeout: 10s",
    to: 'timeout: ¦"${NOT_SET"',
    code: "invalid_interpolation",
  },
  {
    because: "a file is missing",
    from: "value: ${API_KEY}",
    to: "value: ¦${file:missing}",
    code: "file_not_found",
  },
];
