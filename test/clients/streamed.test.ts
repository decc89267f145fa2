import { expect, test } from "vitest";
import { wide } from "../upstream/wire-world.ts";
import { clientKinds } from "./clients.ts";

const overHttp = clientKinds.filter(({ transport }) => transport === "http");
const body = JSON.stringify(
  Array.from({ length: 40_000 }, (_, id) => ({ id, name: 'a "b" é 😀' })),
);

test.each(overHttp)(
  "$name reads an answer that is passed on, and one that breaks off",
  async (kind) => {
    const at = await wide();
    const client = await kind.connect({ url: at.url, token: await at.idp.token() });
    at.api.answer = (_, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(body);
    };
    const { content, structuredContent, isError } = await client.call("thing");
    const [first, ...others] = content as readonly { readonly text: string }[];
    // Not compared by the matcher: it would print megabytes.
    expect(first!.text === body).toBe(true);
    expect([others, structuredContent, isError]).toEqual([[], undefined, undefined]);

    at.api.answer = (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write(body.slice(0, -1), () => response.destroy());
    };
    const broken = await client.call("thing");
    const texts = broken.content as readonly { readonly text: string }[];
    expect([texts.length, texts[1]?.text, broken.isError]).toEqual([
      2,
      "The API broke off in the middle of its answer.",
      true,
    ]);
  },
);
