import { expect, test } from "vitest";
import { site } from "./site.ts";

interface Shown {
  readonly check: string;
  readonly verdict: string;
  readonly code: string;
}

test("doctor auth walks a client's way, with the gateway down and up", async () => {
  const { run, start, idp } = await site();
  const down = await run(["doctor", "auth"]);
  expect(down.code).toBe(1);
  expect(down.stdout).toContain("publishes 1 usable keys");
  expect(down.stdout).toContain("problem  challenge gateway_unreachable");
  const gateway = start(["serve"]);
  await gateway.until("stderr", '"msg":"listening"');
  const up = await run(["doctor", "auth", "--json", "--token", await idp.token()]);
  const findings = JSON.parse(up.stdout) as readonly Shown[];
  expect(findings.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
    "issuer ok",
    "challenge ok",
    "metadata ok",
    "token ok",
  ]);
  expect(up.code).toBe(0);
  const wrong = await run(["doctor", "auth", "--token", await idp.token({ aud: "api" })]);
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toContain("problem  token wrong_audience: refused at");
});

test("without login there is nothing to look at", async () => {
  const { run } = await site({ auth: "none" });
  expect(await run(["doctor", "auth"])).toMatchObject({ code: 2, stdout: "" });
});
