import type { Offer } from "./search.ts";

/** The `CourseSummary` of the document: what a list shows. */
export function summaryOf({ course, nextStartOn }: Offer): object {
  const { description: _, prerequisites: _1, skills: _2, sessions, ...summary } = course;
  return { ...summary, delivery: sessions.length > 0 ? "scheduled" : "self-paced", nextStartOn };
}

/** The `Course` of the document. */
export function detailsOf(offer: Offer): object {
  const { description, prerequisites, skills } = offer.course;
  return { ...summaryOf(offer), description, prerequisites, skills };
}
