import { execFile, execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, onTestFinished, test } from "vitest";

import { document, newDir } from "./load-text.ts";

/** A certificate for localhost that signs itself. */
function makeCertificate(dir: string): { readonly key: string; readonly cert: string } {
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...curve, "-days", "2", ...subject, ...files], {
    stdio: "ignore",
  });
  return { key, cert };
}

test("an https document is fetched from a server that proves its name, and from no other", async () => {
  const dir = await newDir();
  const { key, cert } = makeCertificate(dir);
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) =>
    response.end(document("/a: {get: {operationId: list_a}}")),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const file = join(dir, "gateway.yaml");
  await writeFile(
    file,
    `version: 1
server: {url: "http://localhost:3000"}
auth: {mode: none}
apis:
  a:
    spec: https://localhost:${port}/openapi.yaml
    url: http://localhost:8080
    credential: none
    tools: [{match: {methods: [GET]}}]
`,
  );
  const validate = async (env: Readonly<Record<string, string>>): Promise<string> => {
    const args = ["dist/cli/main.js", "validate", "-c", file];
    const options = { env: { PATH: process.env["PATH"] ?? "", ...env } };
    const run = promisify(execFile)(process.execPath, args, options);
    return run.then(
      ({ stderr }) => stderr,
      (error: { readonly stderr: string }) => error.stderr,
    );
  };
  expect(await validate({ NODE_EXTRA_CA_CERTS: cert })).toContain("ok: 1 tool,");
  expect(await validate({})).toMatch(/spec_not_fetched|SELF_SIGNED_CERT/);
}, 30_000);
