import { generateKeyPairSync } from "node:crypto";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** What the examples and the pages expect of the environment. */
export const environment: Readonly<Record<string, string>> = {
  CLIENT_SECRET: "canary-secret",
  TOLLGATE_CLIENT_SECRET: "canary-secret",
  TOLLGATE_CLIENT_KEY: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  ORDERS_API_KEY: "canary-key",
  BROKER_KEY: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
  ENTRA_SECRET: "secret",
  GOOGLE_SECRET: "secret",
};
