import { createHmac } from "node:crypto";
import type { Ports } from "../../base/ports.ts";
import type { WebhookConfig } from "../../config/types/audit.ts";
import { textAt } from "../record/query.ts";
import { TooLarge, type Transport } from "./shipper.ts";

/**
 * Batches as a JSON array, signed as Standard Webhooks says: HMAC-SHA-256 of id, time and body. Only
 * an answer of 2xx means that they arrived.
 *
 * @param current Asked for every batch: the secret may be another after a reload.
 */
export function createWebhook(
  current: () => WebhookConfig,
  fetch: typeof globalThis.fetch,
  { now }: Pick<Ports, "now">,
): Transport {
  const { url } = current();
  return {
    target: url,
    confirmMs: 0,
    onLost: () => {},
    close: () => {},
    async deliver(records, signal) {
      const body = `[${records.map(({ line }) => line).join(",")}]`;
      // The first record's own: a batch that is sent again has the same.
      const id = textAt(records[0]?.record ?? {}, ["id"]);
      const timestamp = String(Math.floor(now() / 1_000));
      const signature = createHmac("sha256", keyOf(current().secret.reveal())).update(
        `${id}.${timestamp}.${body}`,
      );
      const response = await fetch(url, {
        method: "POST",
        // It has records of people in it: it goes nowhere else.
        redirect: "manual",
        signal,
        headers: {
          "content-type": "application/json",
          "webhook-id": id,
          "webhook-timestamp": timestamp,
          "webhook-signature": `v1,${signature.digest("base64")}`,
        },
        body,
      });
      await response.body?.cancel();
      if (response.status === 413) throw new TooLarge("answered 413");
      if (!response.ok) throw new Error(`answered ${response.status}`);
    },
  };
}

const encoded = "whsec_";

function keyOf(secret: string): Buffer {
  return secret.startsWith(encoded)
    ? Buffer.from(secret.slice(encoded.length), "base64")
    : Buffer.from(secret);
}
