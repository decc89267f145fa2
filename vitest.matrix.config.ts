import type { ViteUserConfig } from "vitest/config";
import { createMatrixReporter } from "./test/matrix/reporter.ts";
import { findTests, titlePattern } from "./test/matrix/titles.ts";
import base from "./vitest.config.ts";

/** The tests that name a row, and the two pages made from what they saw. */
const config: ViteUserConfig = {
  ...base,
  test: {
    ...base.test,
    // What is measured under load shares the machine with nothing else.
    fileParallelism: false,
    // With what takes too long for every run.
    env: { MATRIX: "1" },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    include: [...new Set([...findTests().values()].flat())],
    testNamePattern: titlePattern,
    reporters: ["default", createMatrixReporter()],
  },
};
export default config;
