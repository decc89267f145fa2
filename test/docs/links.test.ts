import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { expect, test } from "vitest";
import { readPages, root } from "./pages.ts";

/** Code is no prose: what looks like a link in it is none. */
function withoutCode(text: string): string {
  return text.replaceAll(/^ *```[\s\S]*?^ *```/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

function targetsOf(text: string): string[] {
  const inline = [...text.matchAll(/\]\(([^)\s]+)\)/g)];
  const defined = [...text.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)];
  return [...inline, ...defined].map(([, target = ""]) => target);
}

/** As the repository's host makes them of headings. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/g, "-"),
  );
}

const pages = new Map(readPages().map((page) => [resolve(root, page.path), page]));

const links = [...pages].flatMap(([file, { path, text }]) =>
  targetsOf(withoutCode(text))
    .filter((target) => !/^[a-z][a-z0-9+.-]*:/i.test(target))
    .map((target) => ({ page: path, file, target })),
);

test("there are links to follow", () => {
  expect(links.length).toBeGreaterThan(20);
});

/** The file and, when the target has one, the heading in it; undefined when the link is dead. */
function follow(file: string, target: string): string | undefined {
  const [path = "", anchor] = target.split("#", 2);
  const to = path === "" ? file : resolve(dirname(file), path);
  if (!existsSync(to)) return undefined;
  if (anchor === undefined) return to;
  return anchorsOf(pages.get(to)?.text ?? "").find((heading) => heading === anchor);
}

test.each(links)("$page leads to $target", ({ file, target }) => {
  expect(follow(file, target)).toBeDefined();
});
