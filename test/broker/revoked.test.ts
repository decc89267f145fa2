import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { house, type House } from "../clients/house.ts";
import { readRecords } from "../world/audit.ts";
import { createHolder, type Holder } from "./holder.ts";
import { plant } from "./plant.ts";
import { noRedis } from "./redis.ts";

/** Status of a `tools/list` with this access token. */
async function listTools(url: string, accessToken: string): Promise<number> {
  const answer = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${accessToken}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** A gateway with its broker in this process, and somebody who logged in and called. */
async function caller(): Promise<{ readonly at: House; readonly holder: Holder }> {
  const at = await house();
  const holder = await createHolder(at.broker);
  at.guard(holder.accessToken());
  expect(await listTools(at.url, holder.accessToken())).toBe(200);
  return { at, holder };
}

async function revoke(
  { broker }: Pick<House, "broker">,
  clientId: string,
  token: string,
): Promise<{ readonly status: number }> {
  return fetch(`${broker}/revoke`, {
    method: "POST",
    body: new URLSearchParams({ client_id: clientId, token }),
  });
}

test.each(["refresh token", "access token"])(
  "/revoke of a %s ends the access tokens that are out at once",
  async (kind) => {
    const { at, holder } = await caller();
    const earlier = holder.accessToken();
    expect(await holder.refresh()).toBe(200);
    const token = kind === "refresh token" ? holder.token() : holder.accessToken();
    expect(await revoke(at, holder.clientId, token)).toMatchObject({ status: 200 });
    expect(await listTools(at.url, earlier)).toBe(401);
    expect(await listTools(at.url, holder.accessToken())).toBe(401);
    const records = readRecords(await readFile(join(at.dir, "audit", "audit.ndjson"), "utf8"));
    expect(records.filter(({ event }) => event === "auth.deny")).toMatchObject([
      { reason: "logged_out" },
      { reason: "logged_out" },
    ]);
    const told = records.filter(
      ({ broker }) => (broker as { action?: string })?.action === "revoke",
    );
    expect(told).toMatchObject([{ outcome: "success", broker: { client_id: holder.clientId } }]);
  },
);

test("a revocation by a client that the token does not belong to ends nothing", async () => {
  const { at, holder } = await caller();
  const other = await createHolder(at.broker);
  await revoke(at, other.clientId, holder.token());
  await revoke(at, other.clientId, holder.accessToken());
  expect(await listTools(at.url, holder.accessToken())).toBe(200);
  expect(await listTools(at.url, other.accessToken())).toBe(200);
});

test("a refresh token that is used again after its grace ends the family's access tokens too", async () => {
  const { at, holder } = await caller();
  const bystander = await createHolder(at.broker);
  const stolen = holder.token();
  expect(await holder.refresh()).toBe(200);
  vi.useFakeTimers({ now: Date.now() + 11_000, toFake: ["Date"] });
  try {
    const answer = await fetch(`${at.broker}/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        client_id: holder.clientId,
        refresh_token: stolen,
      }),
    });
    expect(await answer.json()).toMatchObject({ error: "invalid_grant" });
    expect(await listTools(at.url, holder.accessToken())).toBe(401);
    expect(await listTools(at.url, bystander.accessToken())).toBe(200);
  } finally {
    vi.useRealTimers();
  }
});

/** Half a second to look, and what the machine takes. */
async function refused(url: string, holder: Holder): Promise<void> {
  await expect
    .poll(() => listTools(`${url}/mcp`, holder.accessToken()), { timeout: 5_000, interval: 50 })
    .toBe(401);
}

test("broker grants revoke beside a running gateway ends access tokens, over a restart as well", async () => {
  const { url, nodes, run } = await plant({ store: "lmdb" });
  const [revoked, kept] = [await createHolder(url), await createHolder(url)];
  expect(await listTools(`${url}/mcp`, revoked.accessToken())).toBe(200);
  const listed = await run(["broker", "grants", "list", "--client", revoked.clientId, "--json"]);
  const [grant] = JSON.parse(listed.stdout) as { readonly id: string }[];
  expect(await run(["broker", "grants", "revoke", "--", grant?.id ?? ""])).toMatchObject({
    code: 0,
  });
  await refused(url, revoked);
  await nodes[0]?.kill();
  await nodes[0]?.start();
  expect(await listTools(`${url}/mcp`, revoked.accessToken())).toBe(401);
  expect(await listTools(`${url}/mcp`, kept.accessToken())).toBe(200);
}, 60_000);

test("what one replica revokes the others refuse", async ({ skip }) => {
  skip(noRedis !== undefined, noRedis);
  const { url } = await plant({ store: "redis", nodes: 3 });
  const [revoked, kept] = [await createHolder(url), await createHolder(url)];
  await revoke({ broker: url }, revoked.clientId, revoked.token());
  // Each request goes to the next replica.
  const everywhere = async ({ accessToken }: Holder): Promise<number[]> => [
    await listTools(`${url}/mcp`, accessToken()),
    await listTools(`${url}/mcp`, accessToken()),
    await listTools(`${url}/mcp`, accessToken()),
  ];
  await expect
    .poll(() => everywhere(revoked), { timeout: 5_000, interval: 50 })
    .toEqual([401, 401, 401]);
  expect(await everywhere(kept)).toEqual([200, 200, 200]);
}, 60_000);
