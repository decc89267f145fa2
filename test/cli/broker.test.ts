import { expect, test, vi } from "vitest";
import { createHolder } from "../broker/holder.ts";
import { plant } from "../broker/plant.ts";

vi.setConfig({ testTimeout: 180_000 });

test("broker lists clients and grants beside the running gateway, and revokes them", async () => {
  const { url, run } = await plant({ store: "lmdb" });
  const [one, two] = [await createHolder(url), await createHolder(url)];

  const clients = await run(["broker", "clients", "list", "--json"]);
  expect(clients).toMatchObject({ code: 0, stderr: "" });
  const listed = JSON.parse(clients.stdout) as { readonly id: string }[];
  // A holder that met an overloaded gateway has registered twice.
  const ours = listed.filter(({ id }) => [one.clientId, two.clientId].includes(id));
  expect(ours).toMatchObject([
    { id: one.clientId, name: "Holder", redirectUris: ["http://localhost:8123/callback"] },
    { id: two.clientId },
  ]);
  const table = await run(["broker", "clients", "list"]);
  expect(table.stdout.split("\n")[0]).toMatch(/^CLIENT +NAME +REDIRECTS +REGISTERED +USED$/);
  expect(table.stdout).toContain(one.clientId);

  const grants = await run(["broker", "grants", "list", "--client", one.clientId, "--json"]);
  const [grant] = JSON.parse(grants.stdout) as { readonly id: string }[];
  expect(grant).toMatchObject({
    sub: "alice",
    clientId: one.clientId,
    resources: [`${url}/mcp`],
    scopes: ["mcp:tools"],
  });
  const revoked = await run(["broker", "grants", "revoke", "--", grant?.id ?? ""]);
  expect(revoked).toMatchObject({ code: 0, stdout: expect.stringContaining("revoked") });
  expect(await one.refresh()).toBe(400);
  expect(await two.refresh()).toBe(200);

  const again = await run(["broker", "grants", "revoke", "--", grant?.id ?? ""]);
  expect(again).toMatchObject({ code: 1, stdout: expect.stringContaining("no such grant") });

  const forgotten = await run(["broker", "clients", "revoke", "--json", "--", two.clientId]);
  expect(JSON.parse(forgotten.stdout)).toEqual([{ id: two.clientId, revoked: true }]);
  expect(await two.refresh()).toBe(401);
  for (const { clientId } of [one, two]) {
    const left = await run(["broker", "grants", "list", "--client", clientId, "--json"]);
    expect(left.stdout.trim()).toBe("[]");
  }
  expect((await run(["broker", "grants", "revoke"])).code).toBe(2);
  const dashed = await run(["broker", "grants", "revoke", "-x7Yz"]);
  expect(dashed).toMatchObject({ code: 2, stderr: expect.stringContaining("revoke -- -x7Yz") });
});
