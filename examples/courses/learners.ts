import { alice } from "./learners/alice.ts";
import { bob } from "./learners/bob.ts";
import { carol } from "./learners/carol.ts";
import { dave } from "./learners/dave.ts";
import type { LearnerRecord } from "./model.ts";

/** Everyone the demonstration knows, by the `sub` of their access tokens. */
export const learners: ReadonlyMap<string, LearnerRecord> = new Map(
  [alice, bob, carol, dave].map((record) => [record.profile.id, record]),
);
