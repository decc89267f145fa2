import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("S101 the image has no root, shell, capability, writable system or secret in it", async ({
  skip,
  annotate,
}) => {
  skip(process.env["MATRIX"] === undefined, "builds an image: npm run test:matrix");
  const run = promisify(execFile)("scripts/image-proof.sh", { cwd: root, timeout: 580_000 });
  const { stdout } = await run;
  const skipped = /^skipped: (.*)$/m.exec(stdout)?.[1];
  skip(skipped !== undefined, skipped);
  expect(stdout).toMatch(/^image proof: passed$/m);
  await annotate(/^unpacked size: .*$/m.exec(stdout)?.[0] ?? "", "observed");
}, 600_000);
