import { randomBytes } from "node:crypto";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const pairs = Array.from({ length: 1_024 }, (_, n) => digit(n >> 5) + digit(n & 31));

function digit(n: number): string {
  return alphabet.charAt(n);
}

function pair(n: number): string {
  return pairs[n & 1_023] ?? "";
}

/** @param now Milliseconds since the epoch. */
export type MakeUlid = (now: number) => string;

/**
 * ULIDs that sort in the order they were made in: 48 bits of time, 50 random bits of this process,
 * and a counter of 30 bits.
 */
export function createUlids(): MakeUlid {
  const random = randomBytes(10);
  const process = [0, 2, 4, 6, 8].map((at) => pair(random.readUInt16BE(at))).join("");
  let counter = 0;
  let last = Number.NaN;
  let head = "";
  return (now) => {
    if (now !== last) {
      last = now;
      head = timeOf(now) + process;
    }
    counter++;
    return head + pair(counter >> 20) + pair(counter >> 10) + pair(counter);
  };
}

function timeOf(now: number): string {
  let text = "";
  for (let shift = 40; shift >= 0; shift -= 10) text += pair(Math.floor(now / 2 ** shift) % 1_024);
  return text;
}
