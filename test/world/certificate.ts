import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate for this name that signs itself, and its P-256 key; both as PEM. */
export function makeCertificate(name: string): {
  readonly key: string;
  readonly certificate: string;
} {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-"));
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = ["-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...curve, "-days", "2", ...subject, ...files], {
    stdio: "ignore",
  });
  const made = { key: readFileSync(key, "utf8"), certificate: readFileSync(cert, "utf8") };
  rmSync(dir, { recursive: true });
  return made;
}
