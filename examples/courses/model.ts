/** What the course catalogue knows. Days are `YYYY-MM-DD`, moments RFC 3339 in UTC, money in whole units. */
export interface Course {
  readonly id: string;
  readonly title: string;
  /** One sentence, for lists. */
  readonly summary: string;
  readonly description: string;
  /** Topic ids, the leading one first. */
  readonly topics: readonly string[];
  readonly level: Level;
  /** ISO 639-1, the language it is taught in. */
  readonly language: Language;
  /** Working hours, homework included. */
  readonly hours: number;
  /** The team that teaches it. */
  readonly provider: string;
  /** null until someone has rated it. */
  readonly rating: Rating | null;
  readonly price: Money;
  /** Ids of courses that must be completed before. */
  readonly prerequisites: readonly string[];
  readonly skills: readonly string[];
  /** By start; empty for a course that everyone takes at their own pace. */
  readonly sessions: readonly PlannedSession[];
}

export const levels = ["beginner", "intermediate", "advanced"] as const;
export type Level = (typeof levels)[number];

export const languages = ["en", "de", "es", "fr"] as const;
export type Language = (typeof languages)[number];

export interface Rating {
  /** From 1 to 5. */
  readonly average: number;
  readonly count: number;
}

export interface Money {
  readonly amount: number;
  readonly currency: "EUR";
}

export interface PlannedSession {
  readonly startsOn: string;
  readonly endsOn: string;
  /** A city, or `Online`. */
  readonly place: string;
  readonly seats: number;
  /** Seats that people other than the demonstration's learners hold already. */
  readonly taken: number;
}

export interface Topic {
  readonly id: string;
  readonly title: string;
}

/** Everything kept about one person. */
export interface LearnerRecord {
  readonly profile: Profile;
  readonly goals: readonly Goal[];
  /** Newest first. */
  readonly activity: readonly Activity[];
  /** Newest first. */
  readonly history: readonly HistoryEntry[];
  readonly enrolments: readonly PriorEnrolment[];
}

export interface Profile {
  /** Equal to `sub` of the person's access tokens. */
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly team: string;
  readonly city: string;
  readonly languages: readonly Language[];
  readonly hoursPerWeek: number;
  /** What is left of this year's learning budget. */
  readonly budget: Money;
  readonly prefers: readonly ("online" | "classroom" | "self-paced")[];
  readonly skills: readonly { readonly name: string; readonly level: Level }[];
}

export interface Goal {
  readonly id: string;
  readonly title: string;
  readonly reason: string;
  readonly skills: readonly string[];
  readonly priority: "high" | "medium" | "low";
  readonly dueOn: string;
}

export type Activity =
  | { readonly kind: "viewed"; readonly at: string; readonly courseId: string }
  | { readonly kind: "saved"; readonly at: string; readonly courseId: string }
  | { readonly kind: "searched"; readonly at: string; readonly query: string }
  | {
      readonly kind: "progressed";
      readonly at: string;
      readonly courseId: string;
      /** Share of the course that is done, 0 to 100. */
      readonly percent: number;
    };

export type HistoryEntry =
  | {
      readonly outcome: "completed";
      readonly courseId: string;
      readonly on: string;
      /** 0 to 100; null where nothing is graded. */
      readonly grade: number | null;
    }
  | {
      readonly outcome: "dropped";
      readonly courseId: string;
      readonly on: string;
      readonly reason: string;
    };

/** An enrolment from before the server started. */
export interface PriorEnrolment {
  readonly courseId: string;
  /** First day of the session whose seat is held; null at one's own pace. */
  readonly startsOn: string | null;
  readonly enrolledAt: string;
  readonly percent: number;
  readonly note: string | null;
}
