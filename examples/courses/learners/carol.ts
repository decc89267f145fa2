import type { LearnerRecord } from "../model.ts";

/** A product designer who wants to work with data. */
export const carol: LearnerRecord = {
  profile: {
    id: "carol",
    name: "Carol",
    role: "Product designer",
    team: "Customer app",
    city: "Hamburg",
    languages: ["de", "en"],
    hoursPerWeek: 5,
    budget: { amount: 600, currency: "EUR" },
    prefers: ["self-paced", "classroom"],
    skills: [
      { name: "interface design", level: "advanced" },
      { name: "user research", level: "advanced" },
      { name: "accessibility", level: "intermediate" },
      { name: "sql", level: "beginner" },
    ],
  },
  goals: [
    {
      id: "carol-goal-1",
      title: "Answer my own questions from usage data",
      reason: "I wait two weeks for every number about the app.",
      skills: ["sql", "product analytics", "data visualisation"],
      priority: "high",
      dueOn: "2027-06-30",
    },
    {
      id: "carol-goal-2",
      title: "Bring one design system to all three apps",
      reason: "Every team draws its own buttons.",
      skills: ["design systems", "facilitation"],
      priority: "medium",
      dueOn: "2027-12-15",
    },
  ],
  activity: [
    { kind: "progressed", at: "2026-11-21T09:14:00Z", courseId: "sql-fundamentals", percent: 55 },
    { kind: "viewed", at: "2026-11-20T17:33:12Z", courseId: "product-analytics" },
    { kind: "searched", at: "2026-11-20T17:30:40Z", query: "funnels cohorts" },
    { kind: "saved", at: "2026-11-06T08:48:29Z", courseId: "design-systems" },
    { kind: "progressed", at: "2026-11-01T10:00:00Z", courseId: "sql-fundamentals", percent: 20 },
  ],
  history: [
    { outcome: "completed", courseId: "accessibility-basics", on: "2026-09-18", grade: 98 },
    { outcome: "completed", courseId: "interface-design", on: "2026-01-29", grade: 97 },
    { outcome: "completed", courseId: "user-research", on: "2025-10-08", grade: null },
    {
      outcome: "dropped",
      courseId: "python-first-steps",
      on: "2025-07-03",
      reason: "Too slow a start; I only needed queries.",
    },
  ],
  enrolments: [
    {
      courseId: "sql-fundamentals",
      startsOn: null,
      enrolledAt: "2026-10-30T15:20:00Z",
      percent: 55,
      note: null,
    },
  ],
};
