import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Ports } from "../base/ports.ts";
import { ownPageHeaders } from "../base/page.ts";
import { escapeText } from "../base/text.ts";
import {
  type Connect,
  ConnectError,
  type FindFlow,
  type Flow,
  type Step,
} from "../upstream/credential/connect.ts";
import type { Owner } from "../upstream/credential/vault.ts";
import { confirmPage, connectedPage, disconnectedPage, problemPage } from "./connect-page.ts";

/** Somebody connected or disconnected an account, or could not. */
export interface ConnectEvent {
  readonly action: "connect" | "disconnect";
  readonly provider: string;
  /** undefined: it worked. */
  readonly reason: string | undefined;
  /** undefined: nobody has logged in. */
  readonly owner: Owner | undefined;
}

export interface ConnectParts {
  /** Of the snapshot of this moment; undefined: there is nothing to connect. */
  readonly connect: () => Connect | undefined;
  /** Cookies then go over TLS only. */
  readonly secure: boolean;
  /** Requests of other pages are none of ours. */
  readonly acceptsOrigin: (origin: string | undefined) => boolean;
  readonly onConnect: (event: ConnectEvent) => void;
}

/** As long as a ticket lives. */
const cookieSeconds = 600;
const maxFormBytes = 4_096;

interface Visit {
  readonly request: FastifyRequest;
  readonly connect: Connect;
  readonly query: URLSearchParams;
  readonly find: FindFlow;
  readonly provider: string;
}

/** The pages that people open in a browser: no access token comes here, only what a login says. */
export function serveConnect(app: FastifyInstance, parts: ConnectParts, ports: Ports): void {
  const prefix = `${parts.secure ? "__Host-" : ""}tollgate_flow_`;
  const attributes = `; Path=/; HttpOnly; SameSite=Lax${parts.secure ? "; Secure" : ""}`;
  const keep = ({ id, sealed }: Flow): string =>
    `${prefix}${id}=${sealed}; Max-Age=${cookieSeconds}${attributes}`;
  const drop = (id: string): string => `${prefix}${id}=; Max-Age=0${attributes}`;
  /** A cookie that somebody planted is not sealed by us, so it opens as nothing. */
  const finder =
    ({ headers }: FastifyRequest): FindFlow =>
    (id) =>
      /^[\w-]{1,64}$/.test(id)
        ? (headers.cookie ?? "")
            .split(/; */)
            .find((pair) => pair.startsWith(`${prefix}${id}=`))
            ?.slice(prefix.length + id.length + 1)
        : undefined;

  const show = (reply: FastifyReply, step: Step): void => {
    if (step.kind === "redirect") {
      void reply
        .code(303)
        .headers({
          location: step.url,
          "cache-control": "no-store",
          "referrer-policy": "no-referrer",
        })
        .header("set-cookie", keep(step.flow))
        .send();
      return;
    }
    const about = { title: step.provider.title, person: escapeText(step.owner.sub) };
    const action = `/disconnect/${step.provider.name}`;
    const html =
      step.kind === "confirm"
        ? confirmPage(about, action, step.csrf)
        : step.kind === "connected"
          ? connectedPage(about)
          : disconnectedPage(about);
    const cookie = step.kind === "confirm" ? keep(step.flow) : drop(step.ends);
    void reply.code(200).headers(ownPageHeaders).header("set-cookie", cookie).send(html);
  };

  const serve =
    (action: ConnectEvent["action"], run: (visit: Visit) => Promise<Step>) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const connect = parts.connect();
      if (connect === undefined) {
        reply.callNotFound();
        return;
      }
      const provider = (request.params as { readonly name?: string }).name ?? "";
      const query = new URLSearchParams(request.url.split("?").slice(1).join("?"));
      try {
        const step = await run({ request, connect, query, find: finder(request), provider });
        if (step.kind === "connected" || step.kind === "disconnected") {
          const { owner } = step;
          parts.onConnect({ action, provider: owner.provider, reason: undefined, owner });
        }
        show(reply, step);
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        const { code, status, owner } = error;
        const named = owner?.provider ?? escapeText(provider, 64);
        parts.onConnect({ action, provider: named, reason: code, owner });
        ports.log.info("connect_refused", { provider: named, reason: code });
        void reply.code(status).headers(ownPageHeaders).send(problemPage(code));
      }
    };

  app.get(
    "/connect/:name",
    serve("connect", ({ connect, provider, query }) =>
      connect.open(provider, query.get("t") ?? ""),
    ),
  );
  app.get(
    "/login/callback",
    serve("connect", ({ connect, query, find }) => connect.loggedIn(query, find)),
  );
  app.get(
    "/connect/:name/callback",
    serve("connect", ({ connect, provider, query, find }) =>
      connect.connected(provider, query, find),
    ),
  );
  app.get(
    "/disconnect/:name",
    serve("disconnect", ({ connect, provider }) => connect.openDisconnect(provider)),
  );
  // A parser of their own: nowhere else is a form a body.
  app.register(async (forms) => {
    forms.addContentTypeParser(
      "application/x-www-form-urlencoded",
      { parseAs: "string", bodyLimit: maxFormBytes },
      (_request, body, done) => done(null, body),
    );
    forms.post(
      "/disconnect/:name",
      serve("disconnect", async ({ connect, provider, find, request }) => {
        const { origin } = request.headers;
        if (!parts.acceptsOrigin(origin)) throw new ConnectError("not_this_browser");
        return connect.disconnect(provider, new URLSearchParams(String(request.body)), find);
      }),
    );
  });
}
