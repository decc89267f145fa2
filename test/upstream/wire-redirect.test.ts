import { describe, expect, test, onTestFinished } from "vitest";
import { startApi, type TestApi } from "../world/api.ts";
import type { World } from "../world/world.ts";
import { inBothEras, sends, text, thing, typed } from "./wire-world.ts";

const credential = 'static: {header: x-api-key, value: "${CLIENT_SECRET}"}';
const follow = { api: "redirects: {}" };
const lost = (to: string, status = "302 Found", method = "GET"): object => ({
  content: [
    text(`HTTP ${status} from ${method} /thing\nLocation: ${to}\nThe redirect was not followed.`),
  ],
  isError: true,
});

function redirect(made: World, location: string, status = 302): void {
  const found = sends(typed("application/json", '{"found":true}'));
  made.api.answer = (request, response) => {
    if (request.path.startsWith("/thing")) response.writeHead(status, { location }).end("moved");
    else found(request, response);
  };
}

async function otherApi(): Promise<TestApi & { readonly host: string }> {
  const api = await startApi();
  onTestFinished(() => api.close());
  return Object.assign(api, { host: new URL(api.url).host });
}

describe("within the origin", () => {
  test.each([301, 302, 303, 307, 308])(
    "%i is followed where the api asks for it",
    async (status) => {
      const made = await thing({ credential, extra: follow });
      redirect(made, "../else/where?a=b%20c#top", status);
      const { legacy, modern } = await inBothEras(made);
      expect(modern).toEqual({
        content: [text('{"found":true}')],
        structuredContent: { found: true },
      });
      expect(legacy).toEqual(modern);
      const last = made.api.requests.at(-1);
      expect(last).toMatchObject({ method: "GET", path: "/else/where?a=b%20c" });
      expect(last?.headers["x-api-key"]).toBe("client-secret");
    },
  );

  test("HEAD stays HEAD", async () => {
    const made = await thing({ method: "head", extra: follow });
    redirect(made, "/else");
    expect((await inBothEras(made)).modern).toEqual({ content: [text("Success (200 OK)")] });
    expect(made.api.requests.at(-1)).toMatchObject({ method: "HEAD", path: "/else" });
  });

  test("no other method is sent twice", async () => {
    const made = await thing({ method: "post", extra: follow });
    redirect(made, "/else", 307);
    expect((await inBothEras(made)).modern).toEqual(
      lost("/else", "307 Temporary Redirect", "POST"),
    );
    expect(made.api.requests).toHaveLength(2);
  });

  test("at most three times", async () => {
    const made = await thing({ extra: follow });
    redirect(made, "/thing?again");
    expect((await inBothEras(made)).modern).toEqual(lost("/thing?again"));
    expect(made.api.requests).toHaveLength(8);
  });

  test("never without the key, whatever the method", async () => {
    const made = await thing();
    redirect(made, "/else");
    expect((await inBothEras(made)).modern).toEqual(lost("/else"));
    expect(made.api.requests).toHaveLength(2);
  });

  test("all hops share one deadline", async () => {
    const made = await thing({ extra: { api: "redirects: {}\n    timeout: 400ms" } });
    made.api.answer = (_, response) => {
      setTimeout(() => response.writeHead(302, { location: "/thing" }).end(), 180);
    };
    // Hops with a deadline each would go on until there are too many of them.
    expect((await inBothEras(made)).modern.content).toMatchObject([
      { text: expect.stringMatching(/^The API did not answer within /) as string },
    ]);
  });
});

describe("to another host", () => {
  test("an allowed one is asked without the credential", async () => {
    const other = await otherApi();
    const made = await thing({
      credential,
      extra: { api: `redirects: {allowedHosts: ["${other.host}"]}` },
    });
    redirect(made, `${other.url}/file?sig=1`);
    expect((await inBothEras(made)).modern.content).toEqual([text('{"ok":true}')]);
    const [seen] = other.requests;
    expect(seen?.path).toBe("/file?sig=1");
    const names = Object.keys(seen?.headers ?? {});
    expect(names.toSorted()).toEqual([
      "accept",
      "accept-encoding",
      "connection",
      "host",
      "user-agent",
    ]);
    expect(JSON.stringify(other.requests)).not.toContain("client-secret");
  });

  test("what it leads to within itself is asked without the credential too", async () => {
    const other = await otherApi();
    const made = await thing({
      credential,
      extra: { api: `redirects: {allowedHosts: ["${other.host}"]}` },
    });
    other.answer = ({ path }, response) => {
      if (path === "/end") sends(typed("text/plain", "end"))(undefined, response);
      else response.writeHead(302, { location: "/end" }).end();
    };
    redirect(made, `${other.url}/file`);
    expect((await inBothEras(made)).modern.content).toEqual([text("end")]);
    expect(other.requests.map(({ path }) => path).toSorted()).toEqual(
      ["/end", "/file"].flatMap((at) => [at, at]),
    );
    expect(JSON.stringify(other.requests)).not.toContain("client-secret");
  });

  test.each([
    { title: "not allowed", location: (host: string) => `http://${host}/x`, allowed: [] },
    {
      title: "another port",
      location: (host: string) => `http://${host}/x`,
      allowed: ["127.0.0.1:1"],
    },
    {
      title: "with a user",
      location: (host: string) => `http://me:you@${host}/x`,
      allowed: ["HOST"],
    },
    { title: "another scheme", location: (host: string) => `ftp://${host}/x`, allowed: ["HOST"] },
    { title: "no address", location: () => "http://", allowed: ["HOST"] },
  ])("S17, S21: $title: the model is told the Location", async ({ location, allowed }) => {
    const other = await otherApi();
    const hosts = allowed.map((host) => `"${host === "HOST" ? other.host : host}"`).join(", ");
    const made = await thing({
      credential,
      extra: { api: `redirects: {allowedHosts: [${hosts}]}` },
    });
    redirect(made, location(other.host));
    expect((await inBothEras(made)).modern).toEqual(lost(location(other.host)));
    expect(other.requests).toEqual([]);
  });
});
