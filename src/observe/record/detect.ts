import type { Detector } from "../../config/types/audit.ts";

/**
 * Of a text only so much is looked at: more is never shown. Every quantifier is bounded, so that no
 * text makes a search long.
 */
const lookedAt = 1_024;

const patterns: Readonly<Record<Detector, RegExp>> = {
  email: /[\w.%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}/i,
  pan: /\d(?:[ -]?\d){11,18}/g,
  iban: /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b/g,
  jwt: /\beyJ[\w-]{8,512}\./,
  "aws-key": /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/,
  "private-key": /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----/,
  phone: /(?:^|[^\w.])\+\d(?:[ ()./-]{0,2}\d){6,14}/,
};

/** @returns The first kind that occurs in a text, or undefined. */
export function compileDetect(
  detectors: readonly Detector[],
): (text: string) => Detector | undefined {
  return (text) => {
    const start = text.length > lookedAt ? text.slice(0, lookedAt) : text;
    return detectors.find((name) => occurs(name, start));
  };
}

function occurs(name: Detector, text: string): boolean {
  if (name === "pan") return (text.match(patterns.pan) ?? []).some(isCardNumber);
  if (name === "iban") return (text.match(patterns.iban) ?? []).some(isIban);
  return patterns[name].test(text);
}

/** ISO/IEC 7812-1: 12 to 19 digits, the last of which checks the others. */
function isCardNumber(found: string): boolean {
  const digits = found.replace(/\D/g, "");
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits.at(-1 - i));
    const counted = i % 2 === 0 ? digit : digit * 2;
    sum += counted > 9 ? counted - 9 : counted;
  }
  return sum % 10 === 0 && !/^0+$/.test(digits);
}

/** ISO 13616: the remainder by 97 is 1 with the first four characters moved to the end. */
function isIban(found: string): boolean {
  const text = found.replaceAll(" ", "");
  let rest = 0;
  for (const char of text.slice(4) + text.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}
