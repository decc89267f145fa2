import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { SourceFile } from "./borders.ts";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** Every TypeScript file of `src/`. */
export function readSources(): readonly SourceFile[] {
  return readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({
      path: relative(src, file).replaceAll(sep, "/"),
      text: readFileSync(file, "utf8"),
    }));
}
