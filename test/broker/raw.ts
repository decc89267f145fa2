import type { World } from "./world.ts";

/** An authorization request that waits for a person, with the cookies of its browser in hand. */
export interface Waiting {
  /** `/interaction/<uid>`. */
  readonly url: string;
  readonly cookie: string;
  readonly csrf: string;
}

export async function beginAt(at: World, authorize: URL): Promise<Waiting> {
  const start = await fetch(authorize, { redirect: "manual" });
  const cookie = cookiesOf(start);
  const url = new URL(start.headers.get("location") ?? "", at.issuer).href;
  const page = await (await fetch(url, { headers: { cookie } })).text();
  return { url, cookie, csrf: /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? "" };
}

export function cookiesOf(answer: Response): string {
  return answer.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
}

export function post(
  url: string,
  fields: Record<string, string>,
  headers: Record<string, string>,
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    redirect: "manual",
    headers,
    body: new URLSearchParams(fields),
  });
}

/** Says yes and follows to the identity provider's authorization URL. */
export async function approve(waiting: Waiting): Promise<{
  readonly to: URL;
  /** The login cookie as well. */
  readonly cookie: string;
}> {
  const { url, cookie, csrf } = waiting;
  const answer = await post(`${url}/consent`, { decision: "allow", csrf }, { cookie });
  const to = new URL(answer.headers.get("location") ?? "");
  return { to, cookie: `${cookie}; ${cookiesOf(answer)}` };
}
