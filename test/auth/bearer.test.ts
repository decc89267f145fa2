import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { findCredential, parseCredential } from "../../src/auth/bearer.ts";

function read(rawHeaders: readonly string[], query?: string): string {
  try {
    return parseCredential(findCredential(rawHeaders, query)).token;
  } catch (error) {
    const { status, code, reason } = error as { status: number; code: string; reason: string };
    return `${status} ${code} ${reason}`;
  }
}

test.each([
  ["Bearer abc", "abc"],
  ["bearer abc", "abc"],
  ["BEARER a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="],
  ["BEARER  x", "400 invalid_request malformed_authorization"],
  ["Bearer", "401 missing_token empty_token"],
  ["Bearer ", "401 missing_token empty_token"],
  ["", "401 missing_token unsupported_scheme"],
  ["Basic YTpi", "401 missing_token unsupported_scheme"],
  ["Token x", "401 missing_token unsupported_scheme"],
  ["Bearer\tx", "401 missing_token unsupported_scheme"],
  ["DPoP abc", "abc"],
  ["Bearer a b", "401 invalid_token malformed_token"],
  ["Bearer a,b", "401 invalid_token malformed_token"],
  ["Bearer a=b", "401 invalid_token malformed_token"],
  ["Bearer ä", "401 invalid_token malformed_token"],
])("H05: %j gives %s", (value, expected) => {
  expect(read(["authorization", value])).toBe(expected);
});

test.each([
  [["Authorization", "Bearer a", "Authorization", "Bearer b"]],
  [["authorization", "Bearer a", "Host", "h", "AUTHORIZATION", "Bearer a"]],
  [["Authorization", "Basic a", "authorization", "Bearer b"]],
])("H01: two Authorization headers are refused whatever they say: %j", (rawHeaders) => {
  expect(read(rawHeaders)).toBe("400 invalid_request several_authorization_headers");
});

test("H01: Node's parser shows both headers, and both are counted", async () => {
  const seen = new Promise<string>((resolve) => {
    const server = createServer((request, response) => {
      resolve(read(request.rawHeaders));
      response.end();
    }).listen(0, "127.0.0.1", () => {
      const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
      socket.write(
        "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
      );
      onTestFinished(() => {
        socket.destroy();
        server.closeAllConnections();
        server.close();
      });
    });
  });
  expect(await seen).toBe("400 invalid_request several_authorization_headers");
});

test.each([
  [8 * 1024, "ok"],
  [8 * 1024 + 1, "401 invalid_token token_too_large"],
  [9 * 1024, "401 invalid_token token_too_large"],
])("H03: a token of %d bytes: %s", (length, expected) => {
  const token = "a".repeat(length);
  expect(read(["Authorization", `Bearer ${token}`]).replace(token, "ok")).toBe(expected);
});

test("no Authorization header is a missing token", () => {
  expect(read(["Host", "h", "X-Authorization", "Bearer a"])).toBe("401 missing_token no_token");
});

test.each(["access_token=a", "?x=1&access_token=", "a=b&access%5Ftoken=c"])(
  "a token in the query %j is no credential, and beside the header it is an error",
  (query) => {
    expect(read(["Host", "h"], query)).toBe("401 missing_token token_in_query");
    expect(read(["Authorization", "Bearer a"], query)).toBe(
      "400 invalid_request several_credentials",
    );
  },
);

test.each(["", "?", "x=access_token", "Access_Token=a", "access_tokens=a"])(
  "the query %j changes nothing",
  (query) => {
    expect(read(["Authorization", "Bearer a"], query)).toBe("a");
  },
);
