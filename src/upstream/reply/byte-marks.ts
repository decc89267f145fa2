/**
 * Four bytes looked at together, the first one lowest: the high bit of each that is zero. Above the
 * lowest of them bits may be wrong, because a subtraction borrows from the byte above.
 */
export function zerosOf(word: number): number {
  return (word - 0x01010101) & ~word;
}

/** How many of the four are in front of the first one whose high bit is set; there are no other bits. */
export function beforeFirst(marks: number): number {
  return marks === 0 ? 4 : (31 - Math.clz32(marks & -marks)) >> 3;
}
