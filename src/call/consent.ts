import type { Confirmation } from "../observe/record/event.ts";

/** What the person on whose behalf a call is made has said about it. */
export type Consent =
  | {
      /** Whoever calls cannot ask. */
      readonly kind: "unavailable";
      /** How somebody else could, for the person. */
      readonly advice: string;
    }
  /** Nothing yet; whoever calls can ask. */
  | { readonly kind: "open" }
  | {
      readonly kind: "given";
      readonly by: Confirmation["by"];
      /** Digest of the question that was answered; undefined: to whatever it may be. */
      readonly question: string | undefined;
      /** Whether the limits counted the call when it was answered with the question. */
      readonly counted: boolean;
    }
  | {
      readonly kind: "refused";
      readonly by: Confirmation["by"];
      readonly answer: "decline" | "cancel";
    };
