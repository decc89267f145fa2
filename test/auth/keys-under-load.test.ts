import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { createAuthenticate } from "../../src/auth/authenticate.ts";
import { noKeyStore } from "../../src/auth/key-store.ts";
import { createKeySets } from "../../src/auth/keysets.ts";
import {
  bearer,
  createIssuer,
  createKey,
  createWorld,
  depsOf,
  endpoint,
  goodClaims,
  issuerConfig,
  oauth,
  outcome,
  sign,
  sendJson,
  type Key,
  type TestIssuer,
} from "./issuer.ts";

vi.setConfig({ testTimeout: 60_000 });

/** Of each scenario; `npm run test:keys` takes longer over the same quarter of an hour. */
const seconds = Number(process.env["KEYS_SECONDS"] ?? 0.5);
const perSecond = 200;
const total = seconds * perSecond;
const minute = 60_000;
/** What the gate's clock goes through meanwhile: its keys are fetched anew after ten minutes. */
const span = 16 * minute;

interface Shown {
  readonly at: number;
  readonly by: Key;
  readonly outcome: string;
}

interface Load {
  readonly issuer: TestIssuer;
  readonly now: () => number;
  /** Shows 200 tokens a second, a half of them for the first time; `step` runs before each. */
  readonly run: (step: (share: number) => { readonly key: Key }) => Promise<readonly Shown[]>;
}

async function createLoad(): Promise<Load> {
  const world = createWorld();
  const issuer = await createIssuer(world);
  const config = oauth(issuerConfig(issuer.url));
  const keys = createKeySets(config.issuers, { fetch: globalThis.fetch, store: noKeyStore }, world);
  const authenticate = createAuthenticate(config, endpoint, depsOf(keys, world), world);
  const [began, startedAt] = [world.ms, performance.now()];
  const fresh = (by: Key): Promise<string> =>
    sign({ ...goodClaims(issuer.url, world), jti: crypto.randomUUID() }, {}, by);
  await authenticate(bearer(await fresh(issuer.key)));
  return {
    issuer,
    now: () => world.ms,
    async run(step) {
      const shown: Promise<Shown>[] = [];
      const known = new Map<Key, string>();
      for (let turn = 0; turn < total; turn++) {
        const due = startedAt + (turn * 1_000) / perSecond - performance.now();
        if (due > 0) await sleep(due);
        world.ms = Math.round(began + (turn / total) * span);
        const { key } = step(turn / total);
        const token = turn % 2 === 0 ? undefined : known.get(key);
        const text = token ?? (await fresh(key));
        known.set(key, text);
        const at = world.ms;
        shown.push(
          outcome(authenticate(bearer(text))).then((result) => ({ at, by: key, outcome: result })),
        );
      }
      return Promise.all(shown);
    },
  };
}

function refusedOf(shown: readonly Shown[], by: Key): readonly Shown[] {
  return shown.filter((one) => one.by === by && one.outcome !== "ok");
}

/** From a quarter of the way on to three quarters. */
function isMiddle(share: number): boolean {
  return share >= 0.25 && share < 0.75;
}

test("K07: keys that are announced before they sign refuse nobody", async () => {
  const { issuer, run } = await createLoad();
  const next = await createKey("k2");
  const shown = await run((share) => {
    if (share >= 0.05) issuer.jwks.keys = [issuer.key.jwk, next.jwk];
    if (share >= 0.8) {
      issuer.jwks.keys = [next.jwk];
    }
    // The old key signs on for a while after the new one has begun.
    return {
      key: share >= 0.3 && (share >= 0.7 || Math.round(share * total) % 3 > 0) ? next : issuer.key,
    };
  });
  expect(shown).toHaveLength(total);
  expect(refusedOf(shown, next)).toEqual([]);
  expect(refusedOf(shown, issuer.key)).toEqual([]);
});

test("K07: a key that signs before it is known is refused for at most half a minute", async () => {
  const { issuer, now, run } = await createLoad();
  const next = await createKey("k2");
  let changedAt = Infinity;
  const shown = await run((share) => {
    if (share < 0.5) return { key: issuer.key };
    if (changedAt === Infinity) changedAt = now();
    issuer.jwks.keys = [next.jwk];
    return { key: next };
  });
  expect(refusedOf(shown, issuer.key)).toEqual([]);
  for (const { at, outcome: result } of refusedOf(shown, next)) {
    expect(result).toBe("401 unknown_key");
    expect(at - changedAt).toBeLessThanOrEqual(30_000);
  }
  expect(shown.at(-1)?.outcome).toBe("ok");
});

const faults: readonly (readonly [
  string,
  (response: ServerResponse, issuer: TestIssuer) => void,
])[] = [
  ["K05: an outage", (response) => response.writeHead(503).end()],
  ["K05: connections that break", (response) => response.destroy()],
  [
    "K06: a page in place of the keys",
    (response) => response.writeHead(200, { "content-type": "text/html" }).end("<html>"),
  ],
  ["K06: an empty key set", (response) => sendJson(response, { keys: [] })],
  [
    "K06: secrets in place of keys",
    (response) => sendJson(response, { keys: [{ kty: "oct", k: "AAAA", kid: "k1" }] }),
  ],
  [
    "K06: a key set without end",
    (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(`{"keys":[${"{},".repeat(200_000)}{}]}`);
    },
  ],
  [
    "K06: keys that come byte by byte",
    (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const drip = setInterval(() => response.write(" "), 50);
      response.once("close", () => clearInterval(drip));
    },
  ],
];

test.each(faults)(
  "%s refuses nobody whose key is known, and lets nobody else in",
  async (_what, spoil) => {
    const { issuer, run } = await createLoad();
    const stranger = await createKey("k1");
    const unknown = await createKey("k9");
    let faulty = false;
    issuer.answer = (request, response) => {
      if (!faulty || request.url !== "/jwks") return false;
      spoil(response, issuer);
      return true;
    };
    let before = 0;
    let during = 0;
    const shown = await run((share) => {
      if (!faulty && isMiddle(share)) before = issuer.jwksRequests();
      faulty = isMiddle(share);
      if (faulty) during = issuer.jwksRequests() - before;
      const turn = Math.round(share * total) % 10;
      return { key: turn === 3 ? stranger : turn === 6 ? unknown : issuer.key };
    });
    expect(shown).toHaveLength(total);
    expect(refusedOf(shown, issuer.key)).toEqual([]);
    expect(new Set(refusedOf(shown, stranger).map((one) => one.outcome))).toEqual(
      new Set(["401 bad_signature"]),
    );
    expect(new Set(refusedOf(shown, unknown).map((one) => one.outcome))).toEqual(
      new Set(["401 unknown_key"]),
    );
    expect(shown.filter((one) => one.by !== issuer.key && one.outcome === "ok")).toEqual([]);
    // Eight minutes: one attempt for unknown keys in 30 s, or one in the pause after a failure.
    expect(during).toBeGreaterThan(0);
    expect(during).toBeLessThanOrEqual(17);
  },
);
