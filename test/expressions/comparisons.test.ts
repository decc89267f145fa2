import { expect, test } from "vitest";
import { sameText } from "../../src/broker/interaction.ts";
import { sameText as sameTextOfConnections } from "../../src/upstream/credential/authorization.ts";
import { readComparisons } from "./sources.ts";

/** What no caller can time: not compared with what a caller guesses, or no secret. */
const excused: Readonly<Record<string, string>> = {
  'claims["nonce"] !== nonce': "of a token that its issuer signed",
  "ath !== tokenHash": "both are hashes of what the caller sent itself",
  "String(Number(token)) === token": "a number in JSON",
  'params["subject_token_type"] !== accessTokenType': "the name of a kind of token",
  "accessToken !== refused": "both are of our own store",
  "await fingerprint(applied.files) !== applied.hash": "hashes of files",
  "refused?.mark.hash !== applied.hash": "hashes of files",
  "refused?.mark.hash === mark.hash": "hashes of files",
  "digestOf(made) !== digestOf(snapshot)": "what clients see",
  'content["call"] !== digestOf(call)': "what was sealed with a key of ours",
  "answered === digest": "what was sealed with a key of ours",
  'head["sha256"] !== digestOf(bytes)': "hashes of a document",
  "known.hash !== digest": "hashes of a tool",
};

test("S83 nothing that sounds like a secret is compared letter by letter", () => {
  const found = readComparisons(
    /secret|passw|csrf|cookie|nonce|signature|hmac|mac$|verifier|proof|token|hash|digest/i,
  );
  expect(found.filter((text) => !(text in excused))).toEqual([]);
  expect(Object.keys(excused).filter((text) => !found.includes(text))).toEqual([]);
});

test.each([sameText, sameTextOfConnections])(
  "S83 what is compared in constant time is compared whole",
  (same) => {
    expect(same("secret-1", "secret-1")).toBe(true);
    for (const other of ["secret-2", "Secret-1", "secret-", "secret-1 ", "", "sécret-1"])
      expect(same("secret-1", other)).toBe(false);
  },
);
