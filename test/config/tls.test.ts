import { expect, test } from "vitest";
import type { Issue } from "../../src/base/issue.ts";
import { makeCertificate } from "../world/certificate.ts";
import { goodEnv, goodWith, issuesOf, load } from "./world.ts";

const [own, other] = [makeCertificate("mcp.acme.com"), makeCertificate("other.acme.com")];
const env = {
  ...goodEnv,
  CERTIFICATE: own.certificate,
  TLS_KEY: own.key,
  OTHER_CERTIFICATE: other.certificate,
  OTHER_KEY: other.key,
};

function tls(keys: string, url = "https://mcp.acme.com"): string {
  const before = "  url: https://mcp.acme.com\n";
  return goodWith(before, `  url: ${url}\n  tls: {${keys}}\n`);
}

const pair = "certificate: '${CERTIFICATE}', key: '${TLS_KEY}'";

test("tls takes every key, and keeps its secret", async () => {
  const { server } = await load(
    tls(`${pair}, clientCertificate: required, clientCa: '\${OTHER_CERTIFICATE}'`),

    env,
  );
  expect(server.tls).toEqual({
    certificate: own.certificate,
    key: expect.anything(),
    clientCertificate: "required",
    clientCa: other.certificate,
  });
  expect(server.tls?.key.reveal()).toBe(own.key);
  expect(JSON.stringify(server)).not.toContain(own.key.split("\n")[1]);
  const plain = await load(tls(pair), env);
  expect(plain.server.tls).toMatchObject({ clientCertificate: "off", clientCa: undefined });
  expect(plain.warnings).toEqual([]);
});

test.each([
  ["url: https://mcp.acme.com\n", ["https_without_tls"]],
  ["url: https://mcp.acme.com\n  listen: 0.0.0.0:443\n", ["https_without_tls"]],
  ["url: https://mcp.acme.com:8443\n  listen: :8443\n", ["https_without_tls"]],
  ["url: https://mcp.acme.com\n  listen: 0.0.0.0:3000\n", []],
  ["url: http://localhost:3000\n", []],
  [`url: https://mcp.acme.com\n  tls: {${pair}}\n`, []],
])(
  "a port that clients speak https to and that speaks http is a warning: %j",
  async (to, codes) => {
    const before = "url: https://mcp.acme.com\n  listen: 127.0.0.1:3000\n";
    const { warnings } = await load(goodWith(before, to), env);
    expect(warnings.map(({ code }) => code)).toEqual(codes);
  },
);

test("a certificate for another name is a warning", async () => {
  const { warnings } = await load(
    tls("certificate: '${OTHER_CERTIFICATE}', key: '${OTHER_KEY}'"),

    env,
  );
  expect(warnings).toMatchObject([{ code: "certificate_name" }]);
});

test.each<[string, string, string, string?]>([
  [
    "a key of another certificate",
    "certificate: '${CERTIFICATE}', key: '${OTHER_KEY}'",
    "invalid_certificate",
  ],
  [
    "a key in place of the certificate",
    "certificate: '${TLS_KEY}', key: '${TLS_KEY}'",
    "invalid_certificate",
  ],
  [
    "words in place of the authority",
    `${pair}, clientCertificate: optional, clientCa: none`,
    "invalid_certificate",
  ],
  ["a key in the file", `certificate: '\${CERTIFICATE}', key: abc`, "literal_secret"],
  ["no key", "certificate: '${CERTIFICATE}'", "missing_key"],
  ["an authority nobody is asked for", `${pair}, clientCa: '\${CERTIFICATE}'`, "conflicting_keys"],
  ["a required certificate of nobody", `${pair}, clientCertificate: required`, "missing_key"],
  ["a plain address", pair, "conflicting_keys", "http://localhost:3000"],
])("tls with %s is refused", async (_what, keys, code, url) => {
  const issues: readonly Issue[] = await issuesOf(tls(keys, url), env);
  expect(issues.map((issue) => issue.code)).toContain(code);
  const text = JSON.stringify(issues);
  for (const secret of [own.key, other.key]) expect(text).not.toContain(secret.split("\n")[1]);
});

const withAuthority = (ca: string, url = "https://courses.internal"): string =>
  goodWith("http://courses.internal:8080/v1", `${url}\n    tls: {ca: '${ca}'}`);

test("an API may have authorities of its own", async () => {
  const { apis } = await load(withAuthority("${CERTIFICATE}${OTHER_CERTIFICATE}"), env);
  expect(apis[0]?.ca).toBe(own.certificate + other.certificate);
});

test.each([
  ["words", withAuthority("none"), "invalid_certificate"],
  ["a key", withAuthority("${TLS_KEY}"), "invalid_certificate"],
  [
    "one good and one broken certificate",
    withAuthority("${CERTIFICATE}${BROKEN}"),
    "invalid_certificate",
  ],
  [
    "a plain address",
    withAuthority("${CERTIFICATE}", "http://courses.internal"),
    "conflicting_keys",
  ],
])("authorities of an API that are %s are refused", async (_what, yaml, code) => {
  const broken = other.certificate.replace(/^MII.../m, "MIIXXX");
  const issues = await issuesOf(yaml, { ...env, BROKEN: broken });
  expect(issues.map((issue) => issue.code)).toContain(code);
  expect(JSON.stringify(issues)).not.toContain(own.key.split("\n")[1]);
});
