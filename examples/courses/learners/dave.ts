import type { LearnerRecord } from "../model.ts";

/** New in the company: no history beyond what is mandatory. */
export const dave: LearnerRecord = {
  profile: {
    id: "dave",
    name: "Dave",
    role: "Junior platform engineer",
    team: "Platform",
    city: "Vienna",
    languages: ["en", "fr"],
    hoursPerWeek: 6,
    budget: { amount: 2000, currency: "EUR" },
    prefers: ["classroom", "online"],
    skills: [
      { name: "git", level: "intermediate" },
      { name: "containers", level: "beginner" },
      { name: "german", level: "beginner" },
    ],
  },
  goals: [
    {
      id: "dave-goal-1",
      title: "Join the on-call rota of the cluster",
      reason: "Agreed with my lead for the end of my first half year.",
      skills: ["kubernetes", "observability", "incident analysis"],
      priority: "high",
      dueOn: "2027-06-01",
    },
    {
      id: "dave-goal-2",
      title: "Follow the team lunch in German",
      reason: "Everyone switches to English for me, and I would like to return the favour.",
      skills: ["german"],
      priority: "medium",
      dueOn: "2027-09-01",
    },
  ],
  activity: [
    { kind: "viewed", at: "2026-11-23T14:22:31Z", courseId: "kubernetes-fundamentals" },
    {
      kind: "progressed",
      at: "2026-11-23T14:05:00Z",
      courseId: "containers-in-practice",
      percent: 90,
    },
    { kind: "saved", at: "2026-11-17T11:11:11Z", courseId: "german-a1" },
    { kind: "searched", at: "2026-11-17T11:09:48Z", query: "german for beginners" },
    { kind: "searched", at: "2026-11-13T16:27:05Z", query: "kubernetes on call" },
  ],
  history: [
    { outcome: "completed", courseId: "security-awareness", on: "2026-11-05", grade: 90 },
    { outcome: "completed", courseId: "data-protection-basics", on: "2026-11-04", grade: 92 },
  ],
  enrolments: [
    {
      courseId: "containers-in-practice",
      startsOn: null,
      enrolledAt: "2026-11-06T08:00:00Z",
      percent: 90,
      note: null,
    },
  ],
};
