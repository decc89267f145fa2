import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

interface Issued {
  readonly key: string;
  readonly certificate: string;
}

/** An authority that signs certificates. */
export interface Authority {
  readonly certificate: string;
  /** @param ended Whether its time is over already. */
  readonly issue: (name: string, ended?: boolean) => Issued;
}

/** `openssl x509` signs for the future only. */
const office = `[ca]
default_ca = office
[office]
database = index
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = names
[names]
commonName = supplied
`;

export function makeAuthority(): Authority {
  const root = makeCertificate("authority.test");
  return {
    certificate: root.certificate,
    issue(name, ended = false) {
      const dir = mkdtempSync(join(tmpdir(), "tollgate-"));
      const write = (file: string, text: string): void => writeFileSync(join(dir, file), text);
      const read = (file: string): string => readFileSync(join(dir, file), "utf8");
      const run = (...args: readonly string[]): void =>
        void execFileSync("openssl", args, { stdio: "ignore", cwd: dir });
      write("office", office);
      write("index", "");
      write("names", `subjectAltName=DNS:${name}\n`);
      write("ca.pem", root.certificate);
      write("ca.key", root.key);
      const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
      run("req", ...curve, "-keyout", "key.pem", "-out", "asked.pem", "-subj", `/CN=${name}`);
      const time = [
        "-startdate",
        "20250101000000Z",
        "-enddate",
        ended ? "20250201000000Z" : "20450101000000Z",
      ];
      const signs = ["-cert", "ca.pem", "-keyfile", "ca.key", "-extfile", "names", "-notext"];
      run(
        "ca",
        "-batch",
        "-config",
        "office",
        ...signs,
        ...time,
        "-in",
        "asked.pem",
        "-out",
        "cert.pem",
      );
      const issued = { key: read("key.pem"), certificate: read("cert.pem") };
      rmSync(dir, { recursive: true });
      return issued;
    },
  };
}
