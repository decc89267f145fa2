import { Agent, fetch as undiciFetch } from "undici";

import type { Secret } from "../../base/secret.ts";
import type { Fetch } from "./token-http.ts";

/** A fetch that shows this certificate in the handshake (RFC 8705 §2). */
export type FetchAs = (identity: { readonly certificate: string; readonly key: Secret }) => Fetch;

/** @param ca PEM of the only authorities to trust; undefined: those that Node trusts. */
export function createFetchAs(ca: string | undefined): FetchAs {
  return ({ certificate, key }) => {
    const trust = ca === undefined ? {} : { ca };
    const dispatcher = new Agent({ connect: { cert: certificate, key: key.reveal(), ...trust } });
    // Node's own fetch takes no agent of another undici; the two differ in their types only.
    const send = undiciFetch as unknown as (input: unknown, init: object) => ReturnType<Fetch>;
    return (input, init) => send(input, { ...init, dispatcher });
  };
}
