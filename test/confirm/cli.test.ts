import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { site, type Site } from "../cli/site.ts";

async function confirmSite(): Promise<Site> {
  const at = await site({ auth: "none" });
  at.api.answer = (_, response) => void response.writeHead(204).end();
  await at.edit("gateway.yaml", (text) =>
    text.replace(
      "- operation: delete_order",
      "- operation: delete_order\n        confirm: required",
    ),
  );
  return at;
}

const line = ["call", "delete_order", "orderId=7"];

interface Session {
  readonly code: number | null;
  readonly shown: string;
}

/** On a terminal of its own. undefined: whoever sits there closes it (ctrl-D). */
async function onTerminal({ dir }: Site, answer: string | undefined): Promise<Session> {
  const command = `'${process.execPath}' '${resolve("dist/cli/main.js")}' ${line.join(" ")}`;
  const { PATH = "" } = process.env;
  const env = { PATH, CLIENT_SECRET: "client-secret", API_KEY: "api-secret" };
  const child = spawn("script", ["-qec", command, "/dev/null"], { cwd: dir, env });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  while (!shown.includes("[y/N]")) {
    if (child.exitCode !== null) throw new Error(`nobody was asked: ${shown}`);
    await once(child.stdout, "data");
  }
  child.stdin.write(answer === undefined ? "\u0004" : `${answer}\r`);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, shown };
}

test.each(["y", "YES"])("S69: %s on the terminal lets the call go on", async (answer) => {
  const at = await confirmSite();
  const { code, shown } = await onTerminal(at, answer);
  expect(shown).toContain("delete_order, DELETE /orders/{orderId} of shop: may this call be made?");
  expect(shown).toContain('orderId: "7"');
  expect(code).toBe(0);
  expect(at.api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    "DELETE /v1/orders/7",
  ]);
  expect(await at.audit()).toMatchObject([
    { event: "tool.call", reason: "confirmation_required" },
    {
      event: "tool.call",
      outcome: "success",
      confirmation: { answer: "accept", by: "terminal" },
      mcp: { transport: "cli" },
    },
  ]);
});

test.each([
  { answer: "n", said: "decline" },
  { answer: "", said: "decline" },
  { answer: "yeah", said: "decline" },
  { answer: undefined, said: "cancel" },
])("S69: $answer on the terminal is no agreement", async ({ answer, said }) => {
  const at = await confirmSite();
  const { code, shown } = await onTerminal(at, answer);
  expect(code).toBe(1);
  expect(shown).toContain("nothing was sent");
  expect(at.api.requests).toEqual([]);
  expect(await at.audit()).toMatchObject([
    { reason: "confirmation_required" },
    {
      event: "policy.deny",
      reason: "confirmation_declined",
      confirmation: { answer: said, by: "terminal" },
    },
  ]);
});

test("S69: without a terminal nobody is asked; --yes agrees beforehand", async () => {
  const at = await confirmSite();
  const refused = await at.run(line);
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain("Call it on a terminal, or with --yes.");
  expect(at.api.requests).toEqual([]);
  expect((await at.run([...line, "--yes"])).code).toBe(0);
  expect(at.api.requests).toHaveLength(1);
  expect(await at.audit()).toMatchObject([
    { event: "policy.deny", outcome: "denied", reason: "confirmation_unavailable" },
    { outcome: "success", confirmation: { answer: "accept", by: "option" } },
  ]);
});

test("a dry run sends nothing, so nobody is asked", async () => {
  const at = await confirmSite();
  const { code, stdout } = await at.run([...line, "--dry-run"]);
  expect([code, stdout.split("\n")[0]]).toEqual([
    0,
    expect.stringMatching(/^DELETE http:.*\/v1\/orders\/7$/),
  ]);
});
