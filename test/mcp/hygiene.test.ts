import { expect, test } from "vitest";
import { world, type World } from "../world/world.ts";
import { answerAsShop, shop } from "./shop.ts";
import { call, eras, legacy, modern, send, type Answer } from "./wire.ts";

async function open(): Promise<World> {
  const at = await world(shop);
  at.api.answer = answerAsShop;
  return at;
}

async function ask(
  at: World,
  body: unknown,
  headers: Readonly<Record<string, string | undefined>>,
): Promise<Answer> {
  return send(at.url, body, { ...headers, authorization: `Bearer ${await at.idp.token()}` });
}

test.each(eras)(
  "S46, S51: names of JavaScript's own objects pollute nothing, to $era",
  async ({ request }) => {
    const at = await open();
    const own = '{"polluted":true,"isError":true,"name":"write_order"}';
    const hostile = `{"__proto__":${own},"constructor":{"prototype":${own}},"toString":1}`;
    for (const place of ["arguments", "_meta", "both"]) {
      const { body, headers } = request("tools/call", call("list_orders"), 5);
      const text = JSON.stringify(body);
      const into = (name: string, from: string): string => {
        const object = new RegExp(`"${name}":\\{`);
        return object.test(from)
          ? from.replace(object, () => `"${name}":{${hostile.slice(1, -1)},`).replace(",}", "}")
          : from.replace('"params":{', () => `"params":{"${name}":${hostile},`);
      };
      const names = place === "both" ? ["arguments", "_meta"] : [place];
      const { messages } = await ask(
        at,
        JSON.parse(names.reduce((sent, name) => into(name, sent), text)),
        headers,
      );
      expect(messages).toHaveLength(1);
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
      const { messages: next } = await ask(at, body, headers);
      expect(next).toMatchObject([{ id: 5, result: {} }]);
      expect(next[0]?.result?.["isError"]).toBeUndefined();
      expect(JSON.stringify(next)).not.toContain("polluted");
    }
    expect(at.api.requests.length).toBeGreaterThanOrEqual(3);
    expect(JSON.stringify(at.api.requests)).not.toContain("polluted");
  },
);

test("S47: what is no batch of this revision is refused whole, and nothing of it runs", async () => {
  const at = await open();
  const good = modern("tools/call", call("list_orders"), 5);
  const old = legacy("tools/call", call("list_orders"), 5);
  for (const [body, headers] of [
    [[], old.headers],
    [[], good.headers],
    [[good.body], good.headers],
    [[good.body, good.body], good.headers],
  ] as const) {
    const { status, messages } = await ask(at, body, headers);
    expect(status).toBe(400);
    expect(messages).toMatchObject([{ error: { code: -32600 } }]);
  }
  expect(at.api.requests).toEqual([]);
});
