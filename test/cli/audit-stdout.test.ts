import { expect, test, vi } from "vitest";
import { verifyText } from "../observe/audit.ts";
import { answerJson } from "../world/api.ts";
import { readRecords } from "../world/audit.ts";
import { site, type Site } from "./site.ts";

const soon = { timeout: 20_000, interval: 50 };

async function open(onFailure: string): Promise<{
  readonly at: Site;
  readonly admin: (path: string) => Promise<Response>;
}> {
  const at = await site({ auth: "none", auditToStdout: true });
  await at.edit("gateway.yaml", (yaml) =>
    yaml.replace("audit: {", `audit: {onFailure: ${onFailure}, `),
  );
  at.api.answer = (_, response) => answerJson(response, { ok: true });
  return { at, admin: (path) => fetch(`${at.admin}${path}`) };
}

/** Whether the call was made. */
async function call({ url }: Site, name: string, args: object): Promise<boolean> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: args },
    }),
  });
  const { result } = (await response.json()) as { readonly result: { readonly isError?: boolean } };
  return result.isError !== true;
}

test.each([
  { onFailure: "deny", safe: false, unsafe: false },
  { onFailure: "deny-unsafe", safe: true, unsafe: false },
  { onFailure: "allow", safe: true, unsafe: true },
])(
  "F52: nobody reads standard output and onFailure is $onFailure: the gateway lives, says so, and goes on with every record",
  async ({ onFailure, safe, unsafe }) => {
    const { at, admin } = await open(onFailure);
    const server = at.start(["serve"]);
    await server.until("stderr", '"listening"');
    expect(await call(at, "delete_order", { orderId: "a" })).toBe(true);
    server.child.stdout?.pause();
    await vi.waitFor(async () => {
      await Promise.all(Array.from({ length: 100 }, () => call(at, "list_orders", {})));
      const ready = await admin("/readyz");
      expect([ready.status, await ready.text()]).toEqual([
        503,
        expect.stringContaining("standard output is not read"),
      ]);
    }, soon);
    expect((await admin("/livez")).status).toBe(200);
    const metrics = await (await admin("/metrics")).text();
    expect(Number(/^tollgate_audit_queue_depth (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
    const asked = at.api.requests.length;
    expect(await call(at, "list_orders", {})).toBe(safe);
    expect(await call(at, "delete_order", { orderId: "b" })).toBe(unsafe);
    expect(at.api.requests.length - asked).toBe(Number(safe) + Number(unsafe));
    server.child.stdout?.resume();
    await vi.waitFor(async () => expect((await admin("/readyz")).status).toBe(200), soon);
    expect(await call(at, "delete_order", { orderId: "c" })).toBe(true);
    server.child.kill("SIGTERM");
    const { code, stdout } = await server.ended;
    expect(code).toBe(0);
    // What stood in the queue came with the rest: the same lines in the same order as in the file.
    expect(stdout).toBe(await at.auditText());
    expect(verifyText(stdout)).toMatchObject({ open: 0, findings: [] });
    expect(readRecords(stdout).filter(({ event }) => event === "audit.gap")).toEqual([]);
  },
);

test("a gateway whose standard output nobody reads ends when it is told to, and says what was lost", async () => {
  const { at, admin } = await open("allow");
  const server = at.start(["serve"]);
  await server.until("stderr", '"listening"');
  server.child.stdout?.pause();
  await vi.waitFor(async () => {
    await Promise.all(Array.from({ length: 100 }, () => call(at, "list_orders", {})));
    expect((await admin("/readyz")).status).toBe(503);
  }, soon);
  server.child.kill("SIGTERM");
  await vi.waitFor(() => expect(server.child.exitCode).toBe(0), soon);
  expect(server.output().stderr).toContain("audit_records_lost");
  server.child.stdout?.resume();
});
