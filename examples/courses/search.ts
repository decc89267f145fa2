import type { Course, Language, Level } from "./model.ts";

export const sorts = ["relevance", "rating", "hours", "price", "start"] as const;

export interface CourseQuery {
  readonly q?: string;
  readonly topic?: readonly string[];
  readonly level?: Level;
  readonly language?: Language;
  readonly maxHours?: number;
  readonly sort: (typeof sorts)[number];
}

/** A course and the first day on which someone could still take a seat. */
export interface Offer {
  readonly course: Course;
  readonly nextStartOn: string | null;
}

/**
 * The offers that pass every filter, in the wanted order. Of several topics one is enough; of
 * several words in `q` too, but a course with more of them comes first.
 */
export function searchOffers(offers: readonly Offer[], query: CourseQuery): readonly Offer[] {
  const words = wordsOf(query.q ?? "").filter((word) => !fillers.has(word));
  const scores = new Map(offers.map((offer) => [offer, relevance(offer.course, words)]));
  const score = (offer: Offer): number => scores.get(offer) ?? 0;
  const byText: Order = (a, b) => score(b) - score(a);
  const order = query.sort === "relevance" ? byText : orders[query.sort];
  return offers
    .filter((offer) => passes(offer.course, query) && (query.q === undefined || score(offer) > 0))
    .toSorted((a, b) => order(a, b) || byText(a, b) || compare(a.course.title, b.course.title));
}

type Order = (a: Offer, b: Offer) => number;

const orders = {
  rating: (a, b) => (b.course.rating?.average ?? 0) - (a.course.rating?.average ?? 0),
  hours: (a, b) => a.course.hours - b.course.hours,
  price: (a, b) => a.course.price.amount - b.course.price.amount,
  // "9999": whatever has no day to start on comes last.
  start: (a, b) => compare(a.nextStartOn ?? "9999", b.nextStartOn ?? "9999"),
} satisfies Record<string, Order>;

function passes(course: Course, { topic, level, language, maxHours }: CourseQuery): boolean {
  return (
    (topic === undefined || topic.some((id) => course.topics.includes(id))) &&
    (level === undefined || course.level === level) &&
    (language === undefined || course.language === language) &&
    (maxHours === undefined || course.hours <= maxHours)
  );
}

/** Words that occur in every question and in every description. */
const fillers = new Set(
  "a about an and are at course courses for from how i in is learn me my of on or the to with".split(
    " ",
  ),
);

/** 0: no word occurs. Another word always outweighs a better place of the same word. */
function relevance(course: Course, words: readonly string[]): number {
  const places = [
    { weight: 4, words: wordsOf(course.title) },
    { weight: 3, words: wordsOf([...course.topics, ...course.skills].join(" ")) },
    { weight: 2, words: wordsOf(course.summary) },
    { weight: 1, words: wordsOf(course.description) },
  ];
  let sum = 0;
  for (const word of words) {
    const best = places.find((place) => place.words.some((known) => known.startsWith(word)));
    if (best) sum += 10 + best.weight;
  }
  return sum;
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
