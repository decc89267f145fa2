/**
 * Fetches the broker's keys from memory: where the broker shares the gateway's origin nothing answers
 * there before the gateway is ready, and it is ready only once it has keys.
 *
 * @param url Of the broker's JWK set; undefined: there is no broker.
 * @param keys Asked at each fetch; undefined: the broker is not there yet.
 */
export function fetchWithOwnKeys(
  fetch: typeof globalThis.fetch,
  url: string | undefined,
  keys: () => string | undefined,
): typeof globalThis.fetch {
  if (url === undefined) return fetch;
  return async (input, init) => {
    const body = input === url ? keys() : undefined;
    return body === undefined
      ? fetch(input, init)
      : new Response(body, { headers: { "content-type": "application/json" } });
  };
}
