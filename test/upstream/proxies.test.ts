import { expect, onTestFinished, test, type TestContext } from "vitest";
import { answerJson, startApi, type TestApi } from "../world/api.ts";
import { proxyKinds, startProxy, whyMissing, type ProxyKind } from "../world/proxy.ts";
import { world, type World } from "../world/world.ts";

const text = { type: "string" };
const spec = {
  paths: {
    "/things/{id}": {
      parameters: [
        { name: "id", in: "path", required: true, schema: text },
        { name: "q", in: "query", schema: text },
      ],
      get: { operationId: "get_thing" },
      put: {
        operationId: "put_thing",
        requestBody: { content: { "application/json": { schema: { type: "object" } } } },
      },
    },
  },
};

interface Site {
  readonly at: World;
  /** Behind the proxy. */
  readonly api: TestApi;
  readonly proxy: Awaited<ReturnType<typeof startProxy>>;
}

/** A gateway with an API of its own, and the same API through a proxy. */
async function through(kind: ProxyKind, { skip }: TestContext): Promise<Site> {
  const missing = whyMissing(kind);
  skip(missing !== undefined, missing);
  const api = await startApi();
  onTestFinished(() => api.close());
  const proxy = await startProxy(kind, [{ address: new URL(api.url).host }]);
  const apis = `far:
  spec: spec.json
  url: ${proxy.url}/base
  prefix: true
  credential: none
  tools: [{match: {paths: ["/**"]}}]`;
  const at = await world({ spec, basePath: "/base", credential: "none", extra: { apis } });
  return { at, api, proxy };
}

const args = { id: "a/b %2F;c?d#e", q: "x&y=z +%", body: { note: "ü ☃" } };

for (const kind of proxyKinds) {
  test(`R02: through ${kind} the same request arrives, byte for byte`, async (context) => {
    const { at, api } = await through(kind, context);
    for (const name of ["get_thing", "put_thing"]) {
      const { body: _, ...bodiless } = args;
      const given = name === "get_thing" ? bodiless : args;
      await at.call(name, given);
      await at.call(`far_${name}`, given);
    }
    const seen = ({ method, path, body }: TestApi["requests"][number]): object => ({
      method,
      path,
      body,
    });
    expect(api.requests.map(seen)).toEqual(at.api.requests.map(seen));
    expect(api.requests).toHaveLength(2);
  });

  test(`R02, F19: through ${kind} to an API that closes kept connections no call fails`, async (context) => {
    const { at, api } = await through(kind, context);
    let answered = 0;
    api.answer = (_, response) => {
      if (++answered % 3 === 0) response.setHeader("connection", "close");
      answerJson(response, { answered });
    };
    let next = 0;
    const failed: unknown[] = [];
    const worker = async (): Promise<void> => {
      while (next++ < 300) {
        const { isError, content } = await at.call("far_get_thing", { id: "7" });
        if (isError) failed.push(content);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect(failed).toEqual([]);
    expect(api.requests).toHaveLength(300);
  });

  test(`R02: ${kind} without an API behind it is an API in trouble, and the next call is served`, async (context) => {
    const { at, api, proxy } = await through(kind, context);
    api.close();
    const refused = await at.call("far_put_thing", { id: "7" });
    expect(refused).toMatchObject({ isError: true });
    expect(refused.content[0]?.text).toMatch(/HTTP 50[234]/);
    expect(JSON.stringify(refused)).not.toContain(new URL(proxy.url).port);
    expect((await at.call("get_thing", { id: "7" })).isError).toBeUndefined();
    expect(await at.audit()).toMatchObject([
      { outcome: "failure", reason: "upstream_error" },
      { outcome: "success" },
    ]);
  });
}
