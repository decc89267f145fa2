import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { world } from "../world/world.ts";

const spec = { paths: { "/orders": { get: { operationId: "list_orders" } } } };
const soon = { timeout: 10_000, interval: 50 };

test("F44 a secret file that is rotated counts without a restart; one that is gone changes nothing and is told", async () => {
  const at = await world({
    spec,
    credential: 'static: {bearer: "${file:secret.txt}"}',
    files: { "secret.txt": "first-secret\n" },
  });
  const reports: string[] = [];
  at.gateway.watch(({ outcome }) => reports.push(outcome));
  const used = async (): Promise<string | undefined> => {
    await at.call("list_orders");
    return at.api.requests.at(-1)?.headers.authorization;
  };
  expect(await used()).toBe("Bearer first-secret");
  await writeFile(join(at.dir, "secret.txt"), "second-secret\n", { mode: 0o600 });
  await vi.waitFor(async () => expect(await used()).toBe("Bearer second-secret"), soon);
  await rm(join(at.dir, "secret.txt"));
  await vi.waitFor(() => expect(reports).toContain("refused"), soon);
  expect(await used()).toBe("Bearer second-secret");
  expect(at.logs.join("\n") + (await at.auditText())).not.toMatch(/first-secret|second-secret/);
});
