import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../../", import.meta.url));

export interface Page {
  /** Below the repository's root. */
  readonly path: string;
  readonly text: string;
}

const notOurs = new Set(["node_modules", ".git", "dist", "dist-examples", "coverage", "var"]);

/** Every Markdown file of the repository. */
export function readPages(): readonly Page[] {
  return markdownIn(root).map((file) => ({
    path: relative(root, file),
    text: readFileSync(file, "utf8"),
  }));
}

export function readPage(path: string): Page {
  const page = readPages().find((candidate) => candidate.path === path);
  if (page === undefined) throw new TypeError(`there is no ${path}`);
  return page;
}

function markdownIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return notOurs.has(entry.name) ? [] : markdownIn(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** The fenced blocks of a page in this language, without their fences and common indentation. */
export function blocksOf({ text }: Pick<Page, "text">, language: string): readonly string[] {
  const fence = new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\``, "gm");
  return [...text.matchAll(fence)].map(([, indent = "", body = ""]) =>
    body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  );
}
