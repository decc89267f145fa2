import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import { parse } from "yaml";

import type { JsonObject } from "../../src/base/json.ts";
import { loadDocument } from "../../src/openapi/load.ts";
import type { ApiDocument } from "../../src/openapi/operation/operation.ts";
import { applyOverlays } from "../../src/openapi/document/overlay.ts";
import { mappingOf, parseSource, type Source } from "../../src/openapi/document/source.ts";
import { document, named, newDir, only, refusal } from "./load-text.ts";

function sourceOf(text: string, name = "api.yaml"): Source {
  const file = `/specs/${name}`;
  const source = parseSource({ file, uri: `file://${file}`, bytes: Buffer.from(text) }, named);
  return mappingOf(source, named);
}

function overlay(actions: string, version = "1.1.0"): string {
  return `overlay: ${version}\ninfo: {title: O, version: 1.0.0}\nactions:\n${actions.replaceAll(/^(?=.)/gm, "  ")}`;
}

/** The document after one overlay. */
function applied(text: string, actions: string, version?: string): unknown {
  const { source } = applyOverlays(sourceOf(text), [sourceOf(overlay(actions, version), "o.yaml")]);
  return source.root;
}

test.each([
  ["adds to the root", "{a: 1}", "- {target: $, update: {b: {c: 2}}}", { a: 1, b: { c: 2 } }],
  ["replaces a single value", "{a: 1}", "- {target: $.a, update: 2}", { a: 2 }],
  [
    "replaces a member by a merge",
    "{a: {b: 1, c: 2}}",
    "- {target: $.a, update: {b: 3}}",
    { a: { b: 3, c: 2 } },
  ],
  [
    "merges objects all the way down",
    "{a: {b: {c: 1}}}",
    "- {target: $, update: {a: {b: {d: 2}}}}",
    { a: { b: { c: 1, d: 2 } } },
  ],
  [
    "joins lists inside a merge",
    "{a: {l: [1]}}",
    "- {target: $.a, update: {l: [2, 3]}}",
    { a: { l: [1, 2, 3] } },
  ],
  [
    "appends one entry to a list",
    "{l: [{n: 1}]}",
    "- {target: $.l, update: {n: 2}}",
    { l: [{ n: 1 }, { n: 2 }] },
  ],
  ["joins a list to a list", "{l: [1]}", "- {target: $.l, update: [2]}", { l: [1, 2] }],
  [
    "changes every match",
    "{p: {a: {get: {}}, b: {get: {}}}}",
    "- {target: $.p.*.get, update: {x: 1}}",
    { p: { a: { get: { x: 1 } }, b: { get: { x: 1 } } } },
  ],
  ["removes a member", "{a: 1, b: 2}", "- {target: $.a, remove: true}", { b: 2 }],
  [
    "removes items from the last to the first",
    "{l: [0, 1, 2, 3, 4]}",
    "- {target: '$.l[?@ == 1 || @ == 2 || @ == 4]', remove: true}",
    { l: [0, 3] },
  ],
  [
    "removes what is named twice once",
    "{l: [0, 1, 2]}",
    "- {target: '$.l[0, 0]', remove: true}",
    { l: [1, 2] },
  ],
  [
    "removes what is inside what is removed",
    "{a: {a: {b: 1}}, c: 1}",
    "- {target: $..a, remove: true}",
    { c: 1 },
  ],
  [
    "removes by a filter",
    "{q: [{name: a, in: query}, {name: b}]}",
    "- {target: \"$.q[?@.name == 'a' && @.in == 'query']\", remove: true}",
    { q: [{ name: "b" }] },
  ],
  ["prefers remove to update", "{a: {b: 1}}", "- {target: $.a, remove: true, update: {c: 1}}", {}],
  [
    "replaces by removing and adding",
    "{s: [{url: a}]}",
    "- {target: '$.s[*]', remove: true}\n- {target: $.s, update: [{url: b}]}",
    { s: [{ url: "b" }] },
  ],
  [
    "sees what an action before it did",
    "{}",
    "- {target: $, update: {a: {}}}\n- {target: $.a, update: {b: 1}}",
    { a: { b: 1 } },
  ],
  [
    "copies into an object",
    "{a: {b: 1}, c: {d: 2}}",
    "- {target: $.c, copy: $.a}",
    { a: { b: 1 }, c: { d: 2, b: 1 } },
  ],
  ["copies a single value", "{a: 1, b: 2}", "- {target: $.b, copy: $.a}", { a: 1, b: 1 }],
  ["copies into a list", "{a: [1], b: [2]}", "- {target: $.b, copy: $.a}", { a: [1], b: [2, 1] }],
  [
    "copies what stood there, also into itself",
    "{a: {b: {}}}",
    "- {target: $.a.b, copy: $.a}",
    { a: { b: { b: {} } } },
  ],
  [
    "moves by copying and removing",
    "{p: {x: {get: 1}, y: {}}}",
    "- {target: $.p.y, copy: $.p.x}\n- {target: $.p.x, remove: true}",
    { p: { y: { get: 1 } } },
  ],
  ["does nothing without a change", "{a: 1}", "- {target: $.a}", { a: 1 }],
  [
    "takes __proto__ for a name",
    "{a: {}}",
    '- {target: $.a, update: {"__proto__": {x: 1}}}',
    { a: JSON.parse('{"__proto__": {"x": 1}}') as object },
  ],
  [
    "does not change a copy of the same alias",
    "{a: &x {n: 1}, b: *x}",
    "- {target: $.a, update: {n: 2}}",
    { a: { n: 2 }, b: { n: 1 } },
  ],
])("an action %s", (_, text, actions, becomes) => {
  const before = structuredClone(parse(text) as object);
  const source = sourceOf(text);
  const result = applyOverlays(source, [sourceOf(overlay(actions), "o.yaml")]);
  expect(result.source.root).toEqual(becomes);
  // What was parsed is shared with the positions and stays as it is.
  expect(source.root).toEqual(before);
});

test("1.0 has no copy", () => {
  expect(applied("{a: 1, b: 2}", "- {target: $.b, copy: $.a}", "1.0.0")).toEqual({ a: 1, b: 2 });
});

test.each([
  ["no version", "actions: []", "no OpenAPI Overlay"],
  ["a version to come", "overlay: 2.0.0\nactions: []", "no OpenAPI Overlay"],
  ["no target", overlay("- {update: {}}"), "has no target"],
  ["a target that is no text", overlay("- {target: [a], update: {}}"), "has no target"],
  ["no JSONPath", overlay("- {target: 'paths', update: {}}"), "no JSONPath"],
  ["an object for a list of texts", overlay("- {target: $.info, update: 1}"), "does not fit"],
  ["a list for a text", overlay("- {target: $.info.title, update: [1]}"), "does not fit"],
  ["nested", overlay("- {target: $, update: {info: {title: {a: 1}}}}"), "does not fit"],
  [
    "several forms",
    overlay("- {target: '$.info[*]', update: {}}\n- {target: '$..*', update: {}}"),
    "several forms|does not fit",
  ],
  ["copies of several", overlay("- {target: $.info, copy: '$.info.*'}"), "not exactly one"],
  ["copies of nothing", overlay("- {target: $.info, copy: $.none}"), "not exactly one"],
  [
    "copy and update",
    overlay("- {target: $.info, copy: $.info, update: {}}"),
    'both "update" and "copy"',
  ],
  ["the root removed", overlay("- {target: $, remove: true}"), "whole document"],
])("an overlay with %s is refused at its place", async (_, text, message) => {
  const dir = await newDir();
  const file = join(dir, "o.yaml");
  await writeFile(file, text);
  await writeFile(join(dir, "api.yaml"), document("{}"));
  const error = await refusal(
    loadDocument({
      file: join(dir, "api.yaml"),
      position: named,
      overlays: [{ file, position: named }],
    }),
  );
  expect(error.issues).toMatchObject([{ code: "invalid_overlay", position: { file } }]);
  expect(error.message).toMatch(new RegExp(message));
});

async function loadOverlaid(
  spec: string,
  texts: readonly string[],
  name = "api.yaml",
): Promise<{ api: ApiDocument; dir: string }> {
  const dir = await newDir();
  await writeFile(join(dir, name), spec);
  const overlays = texts.map((_, i) => ({ file: join(dir, `o${i}.yaml`), position: named }));
  for (const [i, text] of texts.entries()) await writeFile(join(dir, `o${i}.yaml`), text);
  return { api: await loadDocument({ file: join(dir, name), position: named, overlays }), dir };
}

test("overlays are applied in order, before conversion, and are watched", async () => {
  const { api, dir } = await loadOverlaid(document("/a: {get: {operationId: a}}"), [
    overlay(
      "- {target: \"$.paths['/a']\", update: {get: {summary: first}, post: {operationId: b}}}",
    ),
    overlay(
      "- {target: '$.paths.*.get', update: {summary: second, parameters: [{$ref: '#/components/parameters/Q'}]}}\n- {target: $, update: {components: {parameters: {Q: {name: q, in: query, schema: {type: string}}}}}}",
    ),
  ]);
  expect(api.operations).toMatchObject([
    { id: "a", summary: "second", parameters: [{ name: "q" }] },
    { id: "b" },
  ]);
  expect(api.files).toEqual(["api.yaml", "o0.yaml", "o1.yaml"].map((name) => join(dir, name)));
  expect(api.warnings).toEqual([]);
});

test("a target that selects nothing is a warning at the action", async () => {
  const { api, dir } = await loadOverlaid(document("/a: {get: {}}"), [
    overlay(
      "- {target: \"$.paths['/a']\", update: {summary: s}}\n- {target: \"$.paths['/b']\", remove: true}",
    ),
  ]);
  expect(api.warnings).toMatchObject([
    {
      code: "overlay_unmatched",
      severity: "warning",
      position: { file: join(dir, "o0.yaml"), line: 5 },
    },
  ]);
});

test.each([
  [
    "api.yaml",
    (root: JsonObject) =>
      `paths:\n  /a:\n    get: {}\n  /c:\n    get:\n      parameters:\n        - {name: x, in: cookie}\n        - {name: y, in: no}\n${JSON.stringify(root).slice(1, -1).replaceAll(',"', '\n"').replaceAll('":', '": ')}\n`,
  ],
  [
    "api.json",
    (root: JsonObject) =>
      JSON.stringify(
        {
          paths: {
            "/a": { get: {} },
            "/c": {
              get: {
                parameters: [
                  { name: "x", in: "cookie" },
                  { name: "y", in: "no" },
                ],
              },
            },
          },
          ...root,
        },
        null,
        1,
      ),
  ],
])(
  "in %s positions lead to what was written, in the document or the overlay",
  async (name, write) => {
    const { api, dir } = await loadOverlaid(
      write({ openapi: "3.1.0" }),
      [
        overlay(
          "- {target: \"$.paths['/a'].get\", remove: true}\n- {target: \"$.paths['/c'].get.parameters[0]\", remove: true}\n- target: $.paths\n  update:\n    /b:\n      post:\n        operationId: b",
        ),
      ],
      name,
    );
    expect(only(api).position).toEqual({ file: join(dir, "o0.yaml"), line: 9, column: 9 });
    const lines = write({ openapi: "3.1.0" }).split("\n");
    const place = api.skipped[0]?.issue.position;
    expect(place?.file).toBe(join(dir, name));
    const rest = lines.slice((place?.line ?? 0) - 1, (place?.line ?? 0) + 1).join(" ");
    expect(rest).toMatch(/name"?: "?y/);
  },
);

// With work per pair of items this would not end within a test's time.
test("an action on 90,000 places is applied", () => {
  const items = Array.from({ length: 90_000 }, (_, i) => ({ i }));
  const source = sourceOf(JSON.stringify({ l: items }), "api.json");
  const made = applyOverlays(source, [
    sourceOf(overlay("- {target: '$.l[?@.i != 3]', update: {x: 1}}"), "o.yaml"),
  ]);
  expect(made.source.root).toEqual({ l: items.map(({ i }) => (i === 3 ? { i } : { i, x: 1 })) });
});

test("an overlay reaches the bottom of a document", () => {
  const depth = 190;
  const text = `${"{a: ".repeat(depth)}{b: 1}${"}".repeat(depth)}`;
  expect(JSON.stringify(applied(text, "- {target: $..b, update: 2}"))).toContain('{"b":2}');
});
