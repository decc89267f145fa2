import { CallError, type CallCode } from "../base/errors.ts";

/** How far an exchange got: nothing was sent, something may have arrived, the answer had begun. */
type Stage = "unsent" | "sent" | "answered";

/** The exchange with the API itself failed. `stage` says whether doing it again is safe. */
export class SendError extends CallError {
  readonly stage: Stage;

  constructor(code: CallCode, message: string, options: ErrorOptions & { readonly stage: Stage }) {
    super(code, message, options);
    this.stage = options.stage;
  }
}
