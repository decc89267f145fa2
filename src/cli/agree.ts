import { createInterface } from "node:readline";
import type { Question } from "../base/errors.ts";
import type { Consent } from "../call/consent.ts";
import { printLine, type Io } from "./io.ts";

/** What is known before a call: whether somebody has agreed already, or can be asked. */
export function consentBefore(yes: boolean, { stdin, stderr }: Io): Consent {
  if (yes) return { kind: "given", by: "option", question: undefined, counted: false };
  if (isTerminal(stdin) && isTerminal(stderr)) return { kind: "open" };
  return { kind: "unavailable", advice: "Call it on a terminal, or with --yes." };
}

/** No answer is no agreement. */
export async function askOnTerminal({ message, digest }: Question, io: Io): Promise<Consent> {
  printLine(io.stderr, message);
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  const answer = await new Promise<string | undefined>((resolve) => {
    lines.once("close", () => resolve(undefined));
    lines.question("[y/N] ", resolve);
  });
  lines.close();
  if (answer === undefined) return { kind: "refused", by: "terminal", answer: "cancel" };
  return /^y(?:es)?$/i.test(answer.trim())
    ? { kind: "given", by: "terminal", question: digest, counted: true }
    : { kind: "refused", by: "terminal", answer: "decline" };
}

function isTerminal(stream: object): boolean {
  return "isTTY" in stream && stream.isTTY === true;
}
