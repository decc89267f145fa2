/** What a browser shows in the end. */
export interface Page {
  readonly status: number;
  readonly url: string;
  readonly text: string;
}

/** Follows redirects and keeps cookies, apart for each origin, as a person's browser does. */
export interface Browser {
  readonly open: (url: string) => Promise<Page>;
  /** Sends the only form of a page. */
  readonly submit: (page: Page, change?: Readonly<Record<string, string>>) => Promise<Page>;
  /** Of the next page that a redirect leads to, without going there. */
  readonly peek: (url: string) => Promise<string>;
  /** Name and value of every cookie. */
  readonly cookies: Map<string, string>;
}

const maxRedirects = 10;

export function createBrowser(): Browser {
  const cookies = new Map<string, string>();
  const send = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const { origin } = new URL(url);
    const own = [...cookies].flatMap(([key, value]) =>
      key.startsWith(`${origin} `) ? [`${key.slice(origin.length + 1)}=${value}`] : [],
    );
    const headers = { cookie: own.join("; "), ...(init.headers as Record<string, string>) };
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split("; ");
      const [name = "", value = ""] = pair.split(/=(.*)/s);
      if (attributes.includes("Max-Age=0")) cookies.delete(`${origin} ${name}`);
      else cookies.set(`${origin} ${name}`, value);
    }
    return response;
  };
  const follow = async (url: string, first: Response): Promise<Page> => {
    let [at, response] = [url, first];
    for (let count = 0; count < maxRedirects; count++) {
      const location = response.headers.get("location");
      if (response.status < 300 || response.status > 399 || location === null)
        return { status: response.status, url: at, text: await response.text() };
      at = new URL(location, at).href;
      response = await send(at);
    }
    throw new Error(`more than ${maxRedirects} redirects`);
  };
  return {
    cookies,
    open: async (url) => follow(url, await send(url)),
    async submit({ url, text }, change = {}) {
      const action = /<form method="post" action="([^"]*)"/.exec(text)?.[1];
      const csrf = /name="csrf" value="([^"]*)"/.exec(text)?.[1];
      if (action === undefined || csrf === undefined) throw new Error(`no form: ${text}`);
      const target = new URL(action, url);
      const body = new URLSearchParams({ csrf, ...change });
      return follow(
        target.href,
        await send(target.href, { method: "POST", body, headers: { origin: target.origin } }),
      );
    },
    peek: async (url) => (await send(url)).headers.get("location") ?? "",
  };
}
