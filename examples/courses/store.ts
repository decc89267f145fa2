import { courses as firstCourses, topics } from "./catalog.ts";
import { learners } from "./learners.ts";
import type { Course } from "./model.ts";
import { Problem } from "./problem.ts";
import type { Offer } from "./search.ts";

export interface Session {
  readonly id: string;
  readonly courseId: string;
  readonly startsOn: string;
  readonly endsOn: string;
  readonly place: string;
  readonly seats: number;
  readonly seatsLeft: number;
}

export interface Enrolment {
  readonly id: string;
  readonly learnerId: string;
  readonly courseId: string;
  readonly courseTitle: string;
  /** `booked`: a seat in a session; `active`: at one's own pace. */
  readonly status: "booked" | "active";
  readonly sessionId: string | null;
  readonly startsOn: string | null;
  readonly percent: number;
  readonly note: string | null;
  readonly enrolledAt: string;
}

export interface EnrolmentOrder {
  readonly learnerId: string;
  readonly courseId: string;
  readonly sessionId?: string;
  readonly note?: string;
}

/** The changing part of the demonstration, in memory: every start begins with the same data. */
export interface Store {
  readonly offers: () => readonly Offer[];
  /** @throws Problem `not-found`. */
  readonly offer: (courseId: string) => Offer;
  /** The id itself for a course that is no longer in the catalogue. */
  readonly titleOf: (courseId: string) => string;
  /** @throws Problem `not-found`. */
  readonly sessions: (courseId: string) => readonly Session[];
  /** @throws Problem `course-exists`, `catalogue-full`, `invalid-body` (unknown topic or prerequisite). */
  readonly addCourse: (course: Course) => void;
  /** @throws Problem `not-found`, `course-in-use`. */
  readonly removeCourse: (id: string) => void;
  readonly enrolmentsOf: (learnerId: string) => readonly Enrolment[];
  /** @throws Problem `invalid-body`, `already-enrolled`, `prerequisites-missing`, `no-seat-left`. */
  readonly enrol: (order: EnrolmentOrder) => Enrolment;
  /** @throws Problem `not-found`, also for someone else's: ids must not tell who is enrolled. */
  readonly cancel: (learnerId: string, enrolmentId: string) => void;
}

const maxCourses = 1000;

export function createStore(): Store {
  const courses = new Map(firstCourses.map((course) => [course.id, course]));
  const enrolments = new Map<string, Enrolment>();
  let lastNumber = 1000;

  for (const [learnerId, record] of learners) {
    for (const { courseId, startsOn, ...rest } of record.enrolments) {
      const sessionId = startsOn === null ? null : sessionIdOf(courseId, startsOn);
      keep({ learnerId, courseId, sessionId, startsOn, ...rest });
    }
  }

  function keep(enrolment: Omit<Enrolment, "id" | "status" | "courseTitle">): Enrolment {
    lastNumber += 1;
    const kept: Enrolment = {
      id: `enr-${lastNumber}`,
      courseTitle: titleOf(enrolment.courseId),
      status: enrolment.sessionId === null ? "active" : "booked",
      ...enrolment,
    };
    enrolments.set(kept.id, kept);
    return kept;
  }

  function titleOf(courseId: string): string {
    return courses.get(courseId)?.title ?? courseId;
  }

  function courseOf(id: string): Course {
    const found = courses.get(id);
    if (!found) throw new Problem("not-found", `There is no course "${id}".`);
    return found;
  }

  function sessionsOf({ id: courseId, sessions: planned }: Course): readonly Session[] {
    return planned.map(({ taken, ...session }) => {
      const id = sessionIdOf(courseId, session.startsOn);
      const held = [...enrolments.values()].filter(({ sessionId }) => sessionId === id).length;
      return { id, courseId, ...session, seatsLeft: session.seats - taken - held };
    });
  }

  function enrolmentsOf(learnerId: string): readonly Enrolment[] {
    return [...enrolments.values()].filter((enrolment) => enrolment.learnerId === learnerId);
  }

  function offerOf(course: Course): Offer {
    const next = sessionsOf(course).find(({ seatsLeft }) => seatsLeft > 0);
    return { course, nextStartOn: next?.startsOn ?? null };
  }

  return {
    enrolmentsOf,
    titleOf,
    offers: () => Array.from(courses.values(), offerOf),
    offer: (courseId) => offerOf(courseOf(courseId)),
    sessions: (courseId) => sessionsOf(courseOf(courseId)),
    addCourse(added) {
      if (courses.has(added.id)) {
        throw new Problem("course-exists", `There is a course "${added.id}" already.`);
      }
      if (courses.size >= maxCourses) {
        throw new Problem("catalogue-full", `The catalogue holds ${maxCourses} courses at most.`);
      }
      const topic = added.topics.findIndex((id) => !topics.some((known) => known.id === id));
      if (topic !== -1) throw wrongMember(`/topics/${topic}`, "There is no such topic.");
      const course = added.prerequisites.findIndex((id) => !courses.has(id));
      if (course !== -1) throw wrongMember(`/prerequisites/${course}`, "There is no such course.");
      courses.set(added.id, added);
    },
    removeCourse(id) {
      courseOf(id);
      const needed =
        [...enrolments.values()].some(({ courseId }) => courseId === id) ||
        [...courses.values()].some(({ prerequisites }) => prerequisites.includes(id));
      if (needed) {
        throw new Problem("course-in-use", "Someone is enrolled, or another course builds on it.");
      }
      courses.delete(id);
    },
    enrol({ learnerId, courseId, sessionId, note = null }) {
      const wanted = courses.get(courseId);
      if (!wanted) throw wrongMember("/courseId", "There is no such course.");
      if (enrolmentsOf(learnerId).some((enrolment) => enrolment.courseId === courseId)) {
        throw new Problem("already-enrolled", `${learnerId} is enrolled in ${courseId} already.`);
      }
      requireCompleted(learnerId, wanted);
      const session = chooseSession(sessionsOf(wanted), sessionId);
      return keep({
        learnerId,
        courseId,
        sessionId: session?.id ?? null,
        startsOn: session?.startsOn ?? null,
        percent: 0,
        note,
        enrolledAt: new Date().toISOString(),
      });
    },
    cancel(learnerId, enrolmentId) {
      if (enrolments.get(enrolmentId)?.learnerId !== learnerId) {
        throw new Problem("not-found", `You have no enrolment "${enrolmentId}".`);
      }
      enrolments.delete(enrolmentId);
    },
  };
}

function sessionIdOf(courseId: string, startsOn: string): string {
  return `${courseId}-${startsOn}`;
}

/** undefined: the course has no sessions. Without a wish, the first session with a free seat. */
function chooseSession(sessions: readonly Session[], id: string | undefined): Session | undefined {
  const wanted = id === undefined ? sessions : sessions.filter((session) => session.id === id);
  if (id !== undefined && wanted.length === 0) {
    throw wrongMember("/sessionId", "The course has no such session.");
  }
  const free = wanted.find(({ seatsLeft }) => seatsLeft > 0);
  if (wanted.length > 0 && !free) {
    throw new Problem(
      "no-seat-left",
      id === undefined
        ? "Every session of this course is full."
        : "This session is full. list_sessions shows which others have seats left.",
    );
  }
  return free;
}

function requireCompleted(learnerId: string, { prerequisites }: Course): void {
  const history = learners.get(learnerId)?.history ?? [];
  const done = history.filter(({ outcome }) => outcome === "completed");
  const missing = prerequisites.filter((id) => !done.some(({ courseId }) => courseId === id));
  if (missing.length === 0) return;
  throw new Problem("prerequisites-missing", `To be completed first: ${missing.join(", ")}.`);
}

function wrongMember(pointer: string, detail: string): Problem {
  return new Problem("invalid-body", `${pointer}: ${detail}`, { faults: [{ pointer, detail }] });
}
