const token = /^[!#$%&'*+.^_`|~\w-]+$/;

/** OAS 3.1 §4.8.12: they follow from the body, the responses and the security of the operation. */
const implied = new Set(["accept", "content-type", "authorization"]);

/** They belong to the connection or decide how a request is routed, so nobody's argument sets them. */
const dangerous =
  /^(?:cookie|host|content-length|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|forwarded|x-forwarded(?:-.*)?|proxy-.*|x-original-url|x-rewrite-url|x-http-method(?:-override)?|x-method-override)$/;

/** Why a header cannot be a parameter; undefined when it can. */
export function refusedHeader(name: string): "implied" | "dangerous" | "malformed" | undefined {
  const lower = name.toLowerCase();
  if (implied.has(lower)) return "implied";
  if (dangerous.test(lower)) return "dangerous";
  return token.test(name) ? undefined : "malformed";
}
