import { aiCourses } from "./catalog/ai.ts";
import { cloudCourses } from "./catalog/cloud.ts";
import { communicationCourses } from "./catalog/communication.ts";
import { complianceCourses } from "./catalog/compliance.ts";
import { dataCourses } from "./catalog/data.ts";
import { financeCourses } from "./catalog/finance.ts";
import { languageCourses } from "./catalog/language.ts";
import { leadershipCourses } from "./catalog/leadership.ts";
import { productCourses } from "./catalog/product.ts";
import { projectCourses } from "./catalog/project.ts";
import { securityCourses } from "./catalog/security.ts";
import { softwareCourses } from "./catalog/software.ts";
import type { Course, Topic } from "./model.ts";

/** The catalogue as it is when the server starts. */
export const courses: readonly Course[] = [
  ...aiCourses,
  ...cloudCourses,
  ...communicationCourses,
  ...complianceCourses,
  ...dataCourses,
  ...financeCourses,
  ...languageCourses,
  ...leadershipCourses,
  ...productCourses,
  ...projectCourses,
  ...securityCourses,
  ...softwareCourses,
];

export const topics: readonly Topic[] = [
  { id: "ai", title: "Artificial intelligence" },
  { id: "cloud", title: "Cloud and operations" },
  { id: "communication", title: "Communication" },
  { id: "compliance", title: "Law and compliance" },
  { id: "data", title: "Data" },
  { id: "finance", title: "Finance and business" },
  { id: "language", title: "Languages" },
  { id: "leadership", title: "Leadership" },
  { id: "product", title: "Product and design" },
  { id: "project", title: "Projects and delivery" },
  { id: "security", title: "Security" },
  { id: "software", title: "Software engineering" },
];
