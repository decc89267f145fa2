import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { clientKinds } from "../clients/clients.ts";
import { stdioFolder } from "../clients/stdio.ts";
import { world } from "../world/world.ts";
import { edit, exposeLatest, expectNewTool, lineOf, orders } from "./orders.ts";

// Programs are started here, and a busy machine starts them slowly.
vi.setConfig({ testTimeout: 60_000 });

const kinds = clientKinds.filter(({ transport }) => transport === "stdio");

test.each(kinds)("$name is told of a new tool, and keeps the old ones", async ({ connect }) => {
  const made = await world(orders);
  const folder = await stdioFolder(made);
  const program = folder.program(await made.idp.token());
  const client = await connect({ folder, program });
  expect(await client.list()).toEqual(["list_orders"]);
  await edit(folder.dir, (yaml) => yaml.replace("credential:", "credentials:"));
  const file = join(folder.dir, "gateway.yaml");
  const place = `${file}:${await lineOf(file, "    credentials:")}:5`;
  await vi.waitFor(() => expect(folder.said()).toContain("config_refused"), { timeout: 10_000 });
  expect(folder.said()).toContain(place);
  expect(await client.list()).toEqual(["list_orders"]);
  expect(client.changes()).toBe(0);

  await expectNewTool(client, "latest_order", () =>
    edit(folder.dir, (yaml) => exposeLatest(yaml).replace("credentials:", "credential:")),
  );
  await expectNewTool(client, "latest", () =>
    edit(folder.dir, (yaml) => yaml.replace("operation: latest_order", "$&\n        name: latest")),
  );
});
