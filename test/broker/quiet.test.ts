import { expect, test, vi } from "vitest";
import { logIn } from "../../examples/demo/browser.ts";
import { world } from "./world.ts";

// In a file of its own: oidc-provider prints each of its notices once per process.
test("nothing the broker does prints anything", async () => {
  const spies = (["log", "info", "warn", "error", "debug"] as const).map((name) =>
    vi.spyOn(console, name),
  );
  const { issuer, tokens, token, client, authorizeUrl } = await world();
  const { refresh_token, clientId } = await tokens({ authorize: { scope: "openid mcp:tools" } });
  const refresh = { grant_type: "refresh_token", refresh_token: refresh_token };
  await token({ ...refresh, client_id: clientId }, { origin: "http://localhost:6274" });
  await token({ grant_type: "nonsense" });
  await token({
    grant_type: "client_credentials",
    client_id: "poster",
    client_secret: "s3cret:with%odd&parts",
    audience: "courses-api",
  });
  await fetch(`${issuer}/revoke`, {
    method: "POST",
    body: new URLSearchParams({ token: refresh_token, client_id: clientId }),
  });
  await fetch(`${issuer}/.well-known/openid-configuration`);
  await fetch(`${issuer}/authorize`);
  await logIn(authorizeUrl({ client_id: await client(), prompt: "consent" }), "bob");
  for (const spy of spies) expect(spy).not.toHaveBeenCalled();
});
