import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { makeAuthority, makeCertificate } from "../world/certificate.ts";
import { world, type World } from "../world/world.ts";

const [internal, foreign] = [makeAuthority(), makeAuthority()];
const good = internal.issue("localhost");

interface SecureApi {
  readonly port: number;
  /** Authorization headers of the requests that came. */
  readonly requests: (string | undefined)[];
  /** Of connections from now on. */
  readonly renew: (options: ServerOptions) => void;
}

async function startSecureApi(options: ServerOptions): Promise<SecureApi> {
  const requests: (string | undefined)[] = [];
  const server = createServer(options, (request, response) => {
    requests.push(request.headers.authorization);
    response.setHeader("content-type", "application/json").end('{"safe":true}');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    renew(next) {
      server.setSecureContext(next);
      server.closeAllConnections();
    },
  };
}

/** A gateway with an API behind TLS, beside the usual one, and the same API without what `ca` says. */
function gatewayTo(port: number, ca: string | undefined): Promise<World> {
  return world({
    spec: { paths: { "/orders": { get: { operationId: "list" }, post: { operationId: "add" } } } },
    files: { "ca.pem": ca ?? "" },
    extra: {
      apis: `secure:
  spec: spec.json
  url: https://localhost:${port}
  ${ca === undefined ? "" : "tls: {ca: '${file:ca.pem}'}"}
  credential: {static: {bearer: "\${CLIENT_SECRET}"}}
  prefix: true
  tools: [{match: {paths: ['/**']}}]
open:
  spec: spec.json
  url: https://localhost:${port}
  credential: none
  prefix: true
  tools: [{match: {paths: ['/**']}}]`,
    },
  });
}

const refusals: Readonly<Record<string, readonly [options: ServerOptions, ca?: string]>> = {
  "an authority that Node does not know": [asOptions(good)],
  "another authority than the configured one": [asOptions(good), foreign.certificate],
  "nobody but itself": [asOptions(makeCertificate("localhost")), internal.certificate],
  "the right authority for another host": [
    asOptions(internal.issue("elsewhere.test")),
    internal.certificate,
  ],
  "the right authority, which has ended": [
    asOptions(internal.issue("localhost", true)),
    internal.certificate,
  ],
};

function asOptions(issued: { readonly key: string; readonly certificate: string }): ServerOptions {
  return { key: issued.key, cert: issued.certificate };
}

test.each(Object.entries(refusals))(
  "F18: a certificate of %s is upstream_tls, and nothing is sent",
  async (_, [options, ca]) => {
    const api = await startSecureApi(options);
    const at = await gatewayTo(api.port, ca);
    for (const tool of ["secure_list", "secure_add"]) {
      const { isError, content } = await at.call(tool);
      expect(isError).toBe(true);
      expect(content[0]?.text).toContain("certificate is not accepted");
      expect(content[0]?.text).not.toContain("localhost");
    }
    expect(api.requests).toEqual([]);
    expect(await at.audit()).toMatchObject([
      { outcome: "failure", reason: "upstream_tls" },
      { outcome: "failure", reason: "upstream_tls" },
    ]);
    expect((await at.call("list")).isError).toBeUndefined();
  },
);

test("F18: TLS 1.1 is no TLS, whoever signed the certificate", async () => {
  const old = {
    minVersion: "TLSv1",
    maxVersion: "TLSv1.1",
    ciphers: "DEFAULT@SECLEVEL=0",
  } as const;
  const api = await startSecureApi({ ...asOptions(good), ...old });
  const at = await gatewayTo(api.port, internal.certificate);
  expect((await at.call("secure_list")).content[0]?.text).toContain("speaks no TLS that is");
  expect(await at.audit()).toMatchObject([{ outcome: "failure", reason: "upstream_tls" }]);
  expect(api.requests).toEqual([]);
});

test("F18: the configured authority is enough, for this API alone", async () => {
  const api = await startSecureApi(asOptions(good));
  const at = await gatewayTo(api.port, internal.certificate);
  expect((await at.call("secure_list")).structuredContent).toEqual({ safe: true });
  expect((await at.call("open_list")).content[0]?.text).toContain("certificate is not accepted");
  expect(api.requests).toEqual(["Bearer client-secret"]);
});

test("F18: another authority in the file counts within seconds, without a restart, and the old one no more", async () => {
  const api = await startSecureApi(asOptions(good));
  const at = await gatewayTo(api.port, internal.certificate);
  at.gateway.watch(() => {});
  expect((await at.call("secure_list")).isError).toBeUndefined();
  const file = join(at.dir, "ca.pem");
  const seen = async (isError: boolean): Promise<void> =>
    vi.waitFor(async () => expect((await at.call("secure_list")).isError ?? false).toBe(isError), {
      timeout: 10_000,
      interval: 100,
    });
  // Both, as one does before the server changes.
  await writeFile(file, internal.certificate + foreign.certificate);
  await vi.waitFor(
    () => expect(at.gateway.snapshot.config.apis[1]?.ca).toContain(foreign.certificate.trim()),
    {
      timeout: 10_000,
    },
  );
  await seen(false);
  api.renew(asOptions(foreign.issue("localhost")));
  await seen(false);
  // Kept connections that the old authority vouched for end with it.
  api.renew(asOptions(good));
  await seen(false);
  await writeFile(file, foreign.certificate);
  await seen(true);
  // What is no authority is refused, and the last good one stands.
  await writeFile(file, "none");
  expect((await at.gateway.reload()).outcome).toBe("refused");
  api.renew(asOptions(foreign.issue("localhost")));
  await seen(false);
});
