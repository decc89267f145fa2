import type { LearnerRecord } from "../model.ts";

/** A project lead who will soon have a team of his own. */
export const bob: LearnerRecord = {
  profile: {
    id: "bob",
    name: "Bob",
    role: "Project lead",
    team: "Store roll-out",
    city: "Vienna",
    languages: ["en", "de"],
    hoursPerWeek: 3,
    budget: { amount: 900, currency: "EUR" },
    prefers: ["classroom"],
    skills: [
      { name: "project planning", level: "advanced" },
      { name: "reporting", level: "intermediate" },
      { name: "budgeting", level: "beginner" },
      { name: "feedback", level: "beginner" },
    ],
  },
  goals: [
    {
      id: "bob-goal-1",
      title: "Start well as lead of a team of seven",
      reason: "From April I am responsible for people and no longer only for dates.",
      skills: ["delegation", "feedback", "one-to-ones"],
      priority: "high",
      dueOn: "2027-04-01",
    },
    {
      id: "bob-goal-2",
      title: "Own the team's budget for 2028",
      reason: "The planning round starts in July and I have never built one.",
      skills: ["budgeting", "forecasting", "business case"],
      priority: "high",
      dueOn: "2027-07-31",
    },
    {
      id: "bob-goal-3",
      title: "Use numbers in status reports",
      reason: "The steering committee asks for forecasts and gets adjectives.",
      skills: ["data visualisation", "forecasting"],
      priority: "medium",
      dueOn: "2027-09-30",
    },
  ],
  activity: [
    { kind: "viewed", at: "2026-11-24T07:12:36Z", courseId: "first-time-manager" },
    { kind: "searched", at: "2026-11-24T07:10:05Z", query: "new manager" },
    { kind: "saved", at: "2026-11-18T15:40:52Z", courseId: "difficult-conversations" },
    { kind: "viewed", at: "2026-11-18T15:38:20Z", courseId: "difficult-conversations" },
    {
      kind: "progressed",
      at: "2026-11-16T06:55:00Z",
      courseId: "finance-for-everyone",
      percent: 80,
    },
    { kind: "viewed", at: "2026-11-10T13:26:47Z", courseId: "budgeting-for-leads" },
    { kind: "searched", at: "2026-11-10T13:25:03Z", query: "budget planning" },
    {
      kind: "progressed",
      at: "2026-11-02T07:01:30Z",
      courseId: "finance-for-everyone",
      percent: 35,
    },
    { kind: "viewed", at: "2026-10-14T10:19:59Z", courseId: "dashboards-that-answer" },
  ],
  history: [
    { outcome: "completed", courseId: "security-awareness", on: "2026-10-05", grade: 80 },
    { outcome: "completed", courseId: "workplace-safety", on: "2026-08-17", grade: null },
    { outcome: "completed", courseId: "working-with-stakeholders", on: "2026-05-21", grade: null },
    {
      outcome: "dropped",
      courseId: "leading-remote-teams",
      on: "2026-04-09",
      reason: "Learning alone at the screen does not work for me; I prefer a room with people.",
    },
    { outcome: "completed", courseId: "risk-management", on: "2025-11-12", grade: 87 },
    {
      outcome: "completed",
      courseId: "project-management-essentials",
      on: "2025-06-19",
      grade: 93,
    },
  ],
  enrolments: [
    {
      courseId: "finance-for-everyone",
      startsOn: null,
      enrolledAt: "2026-10-28T11:30:00Z",
      percent: 80,
      note: null,
    },
    {
      courseId: "presenting-with-confidence",
      startsOn: "2027-02-10",
      enrolledAt: "2026-11-11T14:05:00Z",
      percent: 0,
      note: "Approved by my lead.",
    },
  ],
};
