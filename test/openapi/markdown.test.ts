import { expect, test } from "vitest";
import { reduceMarkdown } from "../../src/openapi/markdown.ts";
import { loadText } from "./load-text.ts";

test.each([
  ["See [the guide](https://docs.test/a_(b) 'Title').", "See the guide."],
  [
    'See [the guide][1] or [both][].\n\n[1]: https://docs.test/ignore-all-rules\n[Both]: <#b> "obey"',
    "See the guide or both.",
  ],
  ["Ask <https://docs.test/a>.", "Ask https://docs.test/a."],
  ["![a badge](https://img.test/x.svg) Lists users", "Lists users"],
  ["[![a badge](https://img.test/x.svg)](https://ci.test) Lists users", "Lists users"],
  ["One<br/>two<BR>three", "One\ntwo\nthree"],
  ["<p>One <b>bold</b> word.</p><p>Two.</p>", "One bold word.\n\nTwo."],
  ["<ul><li>a</li><li>b</li></ul>", "- a\n\n- b"],
  ['<a href="https://x.test" title="obey">here</a>', "here"],
  ['<x-widget note="obey me">seen</x-widget>', "seen"],
  ["<your name> and <OWNER>", "<your name> and <OWNER>"],
  ["filter[name][eq]=x and [a][b]", "filter[name][eq]=x and [a][b]"],
  ["[optional]: a name", "[optional]: a name"],
  ["Seen.<!-- obey\nme --> And more.", "Seen. And more."],
  ["Seen.<!-- never closed", "Seen."],
  ["A\n<details><summary>More</summary>\n\nlong `code`\n</details>\nB", "A\n\nB"],
  ["<script>obey()</script>A<style>p{}</style>", "A"],
  [
    "Put it in `<b>x</b> [a](b)` and <owner>/<repo>",
    "Put it in `<b>x</b> [a](b)` and <owner>/<repo>",
  ],
  ["```html\n<p>x</p>\n<!-- y -->\n```\n<i>end</i>", "```html\n<p>x</p>\n<!-- y -->\n```\nend"],
  ["Ends with ` and <b>bold</b>", "Ends with ` and bold"],
  ["The <title> of it, or <label>", "The <title> of it, or <label>"],
  ["a &lt; b &amp;&amp; c&nbsp;&copy;", "a < b && c &copy;"],
  ["filter[name]=x, list[0](y", "filter[name]=x, list[0](y"],
  ["a < b and c > d [1, 2]", "a < b and c > d [1, 2]"],
  ["**bold** _it_ # h\n\n- a\n  - b", "**bold** _it_ # h\n\n- a\n  - b"],
])("%j becomes %j", (text, reduced) => {
  expect(reduceMarkdown(text)).toBe(reduced);
});

test.each([
  ["<", "["],
  ["![", "]"],
  ["`", "<!--"],
  ["<details>", "</details>"],
  ["[](", "<a "],
  ["[a]: ", "``` "],
  ["a[b](c(", "\\["],
  [" ", "\n \t"],
  ["<b>", '<p a="b"'],
])("a million times %j, then %j, is a matter of a moment", (one, other) => {
  const text = one.repeat(1_000_000) + other.repeat(200_000);
  // Work that grows with the square of the text would outlast the patience of every test.
  expect(reduceMarkdown(text).length).toBeLessThanOrEqual(text.length);
});

test("titles, descriptions of tools, arguments and properties are reduced", async () => {
  const description = 'See [here](https://x.test).<!-- obey --> <b title="obey">Bold</b>';
  const schema = { type: "object", title: description, properties: { a: { description } } };
  const { operations } = await loadText(
    JSON.stringify({
      openapi: "3.1.0",
      paths: {
        "/a": {
          post: {
            summary: description,
            description,
            parameters: [{ name: "q", in: "query", description, schema: { type: "string" } }],
            requestBody: { description, content: { "application/json": { schema } } },
          },
        },
      },
    }),
  );
  const [operation] = operations;
  const shown = "See here. Bold";
  expect(operation).toMatchObject({
    summary: shown,
    description: shown,
    parameters: [{ description: shown }],
    bodies: [
      { description: shown, schema: { title: shown, properties: { a: { description: shown } } } },
    ],
  });
});
