import { hash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type ConnectionOptions } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { makeCertificate } from "../world/certificate.ts";
import { world, type World } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };

type Pair = ReturnType<typeof makeCertificate>;

interface Served {
  readonly at: World;
  readonly server: Pair;
  /** Writes another certificate to the files that gateway.yaml names. */
  readonly put: (pair: Pair) => Promise<void>;
}

async function served(more = "", files: Readonly<Record<string, string>> = {}): Promise<Served> {
  const dir = await mkdtemp(join(tmpdir(), "tollgate-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const server = makeCertificate("localhost");
  const [certificate, key] = [join(dir, "tls.crt"), join(dir, "tls.key")];
  const put = async (pair: Pair): Promise<void> => {
    await writeFile(certificate, pair.certificate);
    await writeFile(key, pair.key, { mode: 0o600 });
  };
  await put(server);
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  const pem = `certificate: "\${file:${certificate}}", key: "\${file:${key}}"`;
  const tls = `drain: {timeout: 200ms}, tls: {${pem}, ${more.replace("DIR", dir)}}`;
  const at = await world({ spec, secure: true, credential: "none", extra: { server: tls } });
  return { at, server, put };
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One list of tools, on a connection of its own. */
async function list(at: World, token: string, tls: ConnectionOptions): Promise<Answer> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      at.url,
      {
        ...tls,
        agent: false,
        method: "POST",
        headers: {
          authorization: `Bearer ${token}`,
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          "content-length": body.length,
        },
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

function thumbprint({ certificate }: Pair): string {
  return hash("sha256", new X509Certificate(certificate).raw, "base64url");
}

function shown(pair: Pair): ConnectionOptions {
  return { cert: pair.certificate, key: pair.key };
}

test("https is served, and a changed certificate is that of the next connection", async () => {
  const { at, server, put } = await served();
  const ca = server.certificate;
  expect((await list(at, await at.idp.token(), { ca })).status).toBe(200);
  const before = await open(at, { ca });

  const next = makeCertificate("localhost");
  await put({ ...next, key: server.key });
  expect(await at.gateway.reload()).toMatchObject({
    outcome: "refused",
    issues: [{ code: "invalid_certificate" }],
  });
  expect((await list(at, await at.idp.token(), { ca })).status).toBe(200);

  await put(next);
  expect(await at.gateway.reload()).toMatchObject({ outcome: "applied" });
  expect((await list(at, await at.idp.token(), { ca: next.certificate })).status).toBe(200);
  await expect(list(at, await at.idp.token(), { ca })).rejects.toThrow(/self.signed/i);
  // What was open stays open.
  expect(before.readyState).toBe("open");
});

async function open(at: World, tls: ConnectionOptions): Promise<ReturnType<typeof connect>> {
  const { port } = new URL(at.url);
  const socket = connect({ ...tls, host: "localhost", port: Number(port) });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", () => resolve());
    socket.once("error", reject);
  });
  return socket;
}

test("TLS 1.1 is refused", async () => {
  const { at, server } = await served();
  const old = { ca: server.certificate, minVersion: "TLSv1", maxVersion: "TLSv1.1" } as const;
  await expect(open(at, { ...old, ciphers: "DEFAULT@SECLEVEL=0" })).rejects.toThrow(/version/i);
});

test("a token bound to a certificate is good on connections with that certificate only", async () => {
  const { at, server } = await served("clientCertificate: optional");
  const [own, other] = [makeCertificate("agent"), makeCertificate("agent")];
  const ca = server.certificate;
  const token = await at.idp.token({ cnf: { "x5t#S256": thumbprint(own) } });
  const present = async (tls: ConnectionOptions): Promise<string> => {
    const { status, body } = await list(at, token, { ca, ...tls });
    const { error_description: why } = JSON.parse(body) as { error_description?: string };
    return why === undefined ? String(status) : `${status} ${why}`;
  };
  // Asked twice: the second time the token is a known one.
  expect([await present(shown(own)), await present(shown(own))]).toEqual(["200", "200"]);
  expect([await present({}), await present(shown(other))]).toEqual([
    "401 wrong certificate",
    "401 wrong certificate",
  ]);
  expect(await present(shown(own))).toBe("200");
  const free = await at.idp.token();
  expect((await list(at, free, { ca })).status).toBe(200);
  expect((await list(at, free, { ca, ...shown(other) })).status).toBe(200);
  const both = await at.idp.token({ cnf: { "x5t#S256": thumbprint(own), jkt: "x" } });
  expect((await list(at, both, { ca, ...shown(own) })).status).toBe(401);
  expect(await at.audit()).toMatchObject([
    { event: "auth.deny", reason: "wrong_certificate" },
    { event: "auth.deny", reason: "wrong_certificate" },
    { event: "auth.deny", reason: "sender_constrained" },
  ]);
  const { http } = at.gateway.snapshot;
  const metadata = http.metadata.get("/.well-known/oauth-protected-resource/mcp") ?? "{}";
  expect(JSON.parse(metadata)).toMatchObject({ tls_client_certificate_bound_access_tokens: true });
});

test("a resumed session is still of the certificate that began it", async () => {
  const { at, server } = await served("clientCertificate: optional");
  const [own, other] = [makeCertificate("agent"), makeCertificate("agent")];
  const token = await at.idp.token({ cnf: { "x5t#S256": thumbprint(own) } });
  const ca = server.certificate;
  const sessionOf = async (pair: Pair): Promise<Buffer> => {
    const socket = await open(at, { ca, ...shown(pair) });
    const session = new Promise<Buffer>((resolve) => socket.once("session", resolve));
    socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return session;
  };
  expect((await list(at, token, { ca, session: await sessionOf(own) })).status).toBe(200);
  expect((await list(at, token, { ca, session: await sessionOf(other) })).status).toBe(401);
});

test("with clientCa only certificates of that authority count", async () => {
  const [own, other] = [makeCertificate("agent"), makeCertificate("agent")];
  const files = { "ca.pem": own.certificate };
  const { at, server } = await served(
    'clientCertificate: optional, clientCa: "${file:DIR/ca.pem}"',
    files,
  );
  const ca = server.certificate;
  for (const [pair, status] of [[own, 200] as const, [other, 401] as const]) {
    const token = await at.idp.token({ cnf: { "x5t#S256": thumbprint(pair) } });
    expect((await list(at, token, { ca, ...shown(pair) })).status).toBe(status);
  }
});

test("a required certificate is asked for before anything is read", async () => {
  const own = makeCertificate("agent");
  const { at, server } = await served(
    'clientCertificate: required, clientCa: "${file:DIR/ca.pem}"',
    { "ca.pem": own.certificate },
  );
  const ca = server.certificate;
  const token = await at.idp.token();
  // An alert of TLS, or the end of the connection when that comes first.
  const refusal = /alert|ECONNRESET|EPIPE|socket hang up/i;
  expect((await list(at, token, { ca, ...shown(own) })).status).toBe(200);
  await expect(list(at, token, { ca })).rejects.toThrow(refusal);
  await expect(list(at, token, { ca, ...shown(makeCertificate("x")) })).rejects.toThrow(refusal);
  expect(at.idp.tokenRequests).toEqual([]);
});

test("without clientCertificate nobody is asked, and a bound token is refused", async () => {
  const { at, server } = await served();
  const own = makeCertificate("agent");
  const token = await at.idp.token({ cnf: { "x5t#S256": thumbprint(own) } });
  expect(await list(at, token, { ca: server.certificate, ...shown(own) })).toMatchObject({
    status: 401,
    body: expect.stringContaining("sender constrained"),
  });
});

test("a connection that never says anything, or only half of a handshake, does not keep it from stopping", async () => {
  const { at } = await served();
  const { port } = new URL(at.url);
  const sockets = ["", "\u0016\u0003\u0001"].map((text) => {
    const socket = connectPlain(Number(port), "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    socket.write(text);
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const closed = sockets.map((socket) => once(socket, "close"));
  await list(at, await at.idp.token(), { rejectUnauthorized: false });
  await at.gateway.close();
  await Promise.all(closed);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true]);
});
