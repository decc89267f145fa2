import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { createGateway } from "../../src/gateway.ts";
import { freePort, type World } from "./world.ts";

/** Another gateway of the same file, with an audit log of its own. @returns Where it listens. */
export async function startReplica({ dir, options }: World): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`;
  const file = join(dir, "replica.yaml");
  const yaml = (await readFile(options.file, "utf8"))
    .replace(/server: \{(url: "[^"]+")/, `server: {$1, listen: "${address}"`)
    .replace("dir: audit", "dir: audit-of-the-replica");
  await writeFile(file, yaml);
  const replica = await createGateway({ ...options, file });
  onTestFinished(() => replica.close());
  await replica.listen();
  return `http://${address}`;
}
