/** A page the browser shows, or the place outside the login server that it was sent to. */
export type Stop =
  | { readonly kind: "page"; readonly url: URL; readonly status: number; readonly html: string }
  | { readonly kind: "left"; readonly url: URL };

/** A browser with cookies and forms and without script. One per person and machine. */
export interface Browser {
  /** Follows redirects until a page comes, or one leads to another origin; that one is not opened. */
  readonly open: (url: string | URL) => Promise<Stop>;
  /** Sends the form of the page that has the button `name`, as a click on it would. */
  readonly click: (stop: Stop, name: string, value: string) => Promise<Stop>;
}

const maxRedirects = 20;

export function createBrowser(): Browser {
  const jar = new Map<
    string,
    { readonly pair: string; readonly origin: string; readonly path: string }
  >();

  const keepCookies = (from: URL, headers: Headers): void => {
    for (const line of headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const attribute = (name: string): string | undefined =>
        attributes
          .find((part) => part.toLowerCase().startsWith(`${name}=`))
          ?.slice(name.length + 1);
      const path = attribute("path") ?? "/";
      const key = `${pair.split("=", 1)[0]} ${from.hostname} ${path}`;
      const ended = Date.parse(attribute("expires") ?? "") <= Date.now();
      if (ended) jar.delete(key);
      else jar.set(key, { pair, origin: from.hostname, path });
    }
  };

  const cookiesFor = (to: URL): string =>
    [...jar.values()]
      .filter(({ origin }) => origin === to.hostname)
      .filter(({ path }) => path === "/" || `${to.pathname}/`.startsWith(`${path}/`))
      .map(({ pair }) => pair)
      .join("; ");

  const send = async (start: URL, form?: URLSearchParams): Promise<Stop> => {
    let [url, body] = [start, form];
    for (let hops = 0; hops < maxRedirects; hops++) {
      const response = await fetch(url, {
        method: body ? "POST" : "GET",
        redirect: "manual",
        headers: { accept: "text/html", cookie: cookiesFor(url) },
        ...(body ? { body } : {}),
      });
      keepCookies(url, response.headers);
      const location = response.headers.get("location");
      const html = await response.text();
      if (location === null) return { kind: "page", url, status: response.status, html };
      const next = new URL(location, url);
      if (next.origin !== start.origin) return { kind: "left", url: next };
      [url, body] = [next, undefined];
    }
    throw new Error(`more than ${maxRedirects} redirects`);
  };

  return {
    open: (url) => send(new URL(url)),
    async click(stop, name, value) {
      const form = stop.kind === "page" ? findForm(stop.html, name) : undefined;
      if (form === undefined) throw new Error(`no form with ${name}: ${describe(stop)}`);
      return send(
        new URL(form.action, stop.url),
        new URLSearchParams([...form.hidden, [name, value]]),
      );
    },
  };
}

/**
 * What a person does after their client opened the authorization URL: choose who they are, allow.
 *
 * @param user The account to choose: `alice` or `bob`.
 * @returns The client's redirect URI with `code`, `state` and `iss` (or `error`) in its query.
 */
export async function logIn(
  authorizationUrl: string | URL,
  user: string,
  browser: Browser = createBrowser(),
): Promise<URL> {
  let stop = await browser.open(authorizationUrl);
  if (stop.kind === "page" && findForm(stop.html, "user")) {
    stop = await browser.click(stop, "user", user);
  }
  if (stop.kind === "page") stop = await browser.click(stop, "decision", "allow");
  if (stop.kind === "left") return stop.url;
  throw new Error(`login did not end: ${describe(stop)}`);
}

interface Form {
  readonly action: string;
  readonly hidden: readonly [string, string][];
}

function findForm(html: string, button: string): Form | undefined {
  for (const [, attributes = "", content = ""] of html.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)) {
    if (!content.includes(`<button`) || !content.includes(` name="${button}"`)) continue;
    const hidden = [...content.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)];
    return {
      action: /action="([^"]*)"/.exec(attributes)?.[1] ?? "",
      hidden: hidden.map(([, name = "", value = ""]) => [name, value]),
    };
  }
  return undefined;
}

function describe(stop: Stop): string {
  if (stop.kind === "left") return `already at ${stop.url.origin}`;
  const text = stop.html.replace(/<style>.*?<\/style>|<[^>]*>/gs, " ").replace(/\s+/g, " ");
  return `HTTP ${stop.status} at ${stop.url.pathname}: ${text.trim().slice(0, 300)}`;
}
