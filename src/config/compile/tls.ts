import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { Secret } from "../../base/secret.ts";
import type { TlsConfig } from "../types/server.ts";
import { child, label, nameOf, textOf, type YamlNode } from "../node.ts";
import type { Problems } from "../problems.ts";
import { hostOf } from "../url.ts";
import type { Scope } from "./scope.ts";

/** @param url Of the gateway, as written; undefined with a problem of its own. */
export function compileTls(
  { problems }: Scope,
  node: YamlNode | undefined,
  url: string | undefined,
): TlsConfig | undefined {
  if (node === undefined) return undefined;
  const written = textOf(child(node, "clientCertificate"));
  const tls: TlsConfig = {
    certificate: textOf(child(node, "certificate")) ?? "",
    key: new Secret(textOf(child(node, "key")) ?? ""),
    clientCertificate: written === "optional" || written === "required" ? written : "off",
    clientCa: textOf(child(node, "clientCa")),
  };
  checkAsking(problems, node, tls);
  if (tls.certificate !== "" && tls.key.reveal() !== "") checkPair(problems, node, tls);
  if (url?.startsWith("http://")) {
    const message = `${label(node)} makes every connection https, and server.url is not`;
    problems.error({ at: nameOf(node), code: "conflicting_keys", message });
  } else if (url !== undefined) checkName(problems, child(node, "certificate"), url);
  return tls;
}

/** @param url Of the API, as written; undefined: it is the document's. */
export function compileAuthorities(
  { problems }: Scope,
  node: YamlNode | undefined,
  url: string | undefined,
): string | undefined {
  const at = child(node, "ca");
  const ca = textOf(at);
  if (at === undefined || ca === undefined) return undefined;
  if (!areCertificates(ca)) {
    const message = `${label(at)} is no certificate in PEM form`;
    problems.error({ at, code: "invalid_certificate", message });
  }
  if (url?.startsWith("http://")) {
    const message = `${label(at)} has no meaning with an url that is not https`;
    problems.error({ at: nameOf(at), code: "conflicting_keys", message });
  }
  return ca;
}

function checkAsking(problems: Problems, node: YamlNode, tls: TlsConfig): void {
  const ca = child(node, "clientCa");
  if (tls.clientCertificate === "off" && ca !== undefined) {
    const message = `${label(ca)} has no meaning with clientCertificate: off`;
    problems.error({ at: nameOf(ca), code: "conflicting_keys", message });
  }
  if (tls.clientCertificate === "required" && ca === undefined) {
    const at = nameOf(child(node, "clientCertificate") ?? node);
    const message = `${label(node)} needs "clientCa" with clientCertificate: required`;
    problems.error({ at, code: "missing_key", message });
  }
}

/** What TLS would say at the first connection is said here. */
function checkPair(problems: Problems, node: YamlNode, tls: TlsConfig): void {
  const refuse = (key: string, message: string): void => {
    const at = child(node, key) ?? node;
    problems.error({ at, code: "invalid_certificate", message: `${label(at)} ${message}` });
  };
  if (!isContext({ cert: tls.certificate })) {
    refuse("certificate", "is no certificate in PEM form");
  } else if (!isContext({ cert: tls.certificate, key: tls.key.reveal() })) {
    refuse("key", "is no private key in PEM form that fits the certificate");
  }
  const { clientCa } = tls;
  // OpenSSL takes a text without any certificate for an empty list.
  if (clientCa !== undefined && !areCertificates(clientCa))
    refuse("clientCa", "is no certificate in PEM form");
}

function isContext(parts: Parameters<typeof createSecureContext>[0]): boolean {
  try {
    createSecureContext(parts);
    return true;
  } catch {
    return false;
  }
}

/** One or more, each of which can be read. */
function areCertificates(pem: string): boolean {
  const each = pem.match(/-----BEGIN[^]*?-----END[^\n]*/g) ?? [];
  return each.length > 0 && each.every((one) => readCertificate(one) !== undefined);
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function checkName(problems: Problems, node: YamlNode | undefined, url: string): void {
  const certificate = readCertificate(textOf(node) ?? "");
  const host = hostOf(new URL(url));
  if (node === undefined || certificate === undefined) return;
  const named = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (named !== undefined) return;
  const message = `${label(node)} is not for ${host}, the host of server.url`;
  problems.warn({ at: node, code: "certificate_name", message });
}
