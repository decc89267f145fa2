import type { ServerResponse } from "node:http";
import { pageHeaders } from "../base/page.ts";
import { errorPage } from "./error-page.ts";

const explanations = {
  not_found: "There is nothing here.",
  method_not_allowed: "This address does not answer this kind of request.",
  unsupported_media_type: "A form was expected.",
  interaction_not_found: "This sign-in has ended or was started in another browser.",
  login_not_found: "This sign-in has ended, was used already or was started in another browser.",
  foreign_origin: "The form came from another site.",
  csrf_mismatch: "The form does not belong to this page.",
  wrong_step: "This step is already done.",
  invalid_request: "The form is incomplete.",
  access_denied: "The sign-in was refused.",
  idp_refused: "The identity provider refused the sign-in.",
  idp_unavailable: "The identity provider does not answer. Try again in a moment.",
  idp_answer_invalid: "The answer of the identity provider could not be verified.",
  not_allowed: "This account may not enter here. Ask whoever runs this server.",
  gone: "The identity provider does not accept this sign-in any more.",
};

/** HTTP status and code of the error page. */
export type Refusal = readonly [status: number, code: keyof typeof explanations];

export function refuse(res: ServerResponse, ...[status, code]: Refusal): void {
  show(res, status, errorPage(code, explanations[code]));
}

export function show(res: ServerResponse, status: number, html: string): void {
  res.writeHead(status, pageHeaders).end(html);
}
