const kinds = {
  "malformed-request": { status: 400, title: "The request cannot be read" },
  "invalid-parameters": { status: 400, title: "A parameter is not valid" },
  "missing-token": { status: 401, title: "An access token is needed" },
  "invalid-token": { status: 401, title: "The access token is not accepted" },
  "insufficient-scope": { status: 403, title: "The access token lacks a scope" },
  "not-your-data": { status: 403, title: "These data belong to someone else" },
  "not-found": { status: 404, title: "There is no such thing" },
  "already-enrolled": { status: 409, title: "The learner is enrolled already" },
  "no-seat-left": { status: 409, title: "No seat is left" },
  "prerequisites-missing": { status: 409, title: "Courses must be completed first" },
  "course-exists": { status: 409, title: "The course id is taken" },
  "course-in-use": { status: 409, title: "The course is in use" },
  "catalogue-full": { status: 409, title: "The catalogue is full" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "unsupported-media-type": { status: 415, title: "The body must be JSON" },
  "invalid-body": { status: 422, title: "The body is not valid" },
  "key-reused": { status: 422, title: "The Idempotency-Key belongs to another request" },
  "internal-error": { status: 500, title: "Something went wrong here" },
  "keys-unavailable": { status: 503, title: "Tokens cannot be checked at the moment" },
} as const;

export type ProblemKind = keyof typeof kinds;

/** What exactly is wrong: a member of the body (JSON Pointer) or a parameter (its name). */
export type Fault =
  | { readonly pointer: string; readonly detail: string }
  | { readonly parameter: string; readonly detail: string };

/** A request that gets an error answer. `message` is the `detail` that the client reads. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly kind: ProblemKind;
  readonly faults: readonly Fault[];
  /** `WWW-Authenticate` of the answer. */
  readonly challenge: string | undefined;

  constructor(
    kind: ProblemKind,
    detail: string,
    options?: ErrorOptions & { readonly faults?: readonly Fault[]; readonly challenge?: string },
  ) {
    super(detail, options);
    this.kind = kind;
    this.faults = options?.faults ?? [];
    this.challenge = options?.challenge;
  }

  get status(): number {
    return kinds[this.kind].status;
  }

  /** The answer's body, RFC 9457 §3. */
  toJSON(): object {
    return {
      type: `https://courses.example/problems/${this.kind}`,
      ...kinds[this.kind],
      detail: this.message,
      ...(this.faults.length > 0 && { errors: this.faults }),
    };
  }
}
