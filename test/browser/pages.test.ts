import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { office } from "../broker/office.ts";
import { callback } from "../broker/world.ts";
import type { Browser, BrowserType, Page } from "./playwright.ts";

// The pages of the broker in the browser that people have. Without JavaScript: they have none.

const executablePath = "/usr/bin/chromium";
const probe = spawnSync(executablePath, ["--version"]);
const noChromium = probe.error === undefined ? undefined : "chromium is not installed";
if (noChromium !== undefined) process.stderr.write(`skipped: ${noChromium}\n`);

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const require = createRequire(resolve("test/browser/packages/package.json"));
let browser: Browser;

describe.runIf(noChromium === undefined)("in Chromium", () => {
  beforeAll(async () => {
    const { chromium } = require("playwright-core") as { readonly chromium: BrowserType };
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });

  afterAll(async () => {
    await browser.close();
  });

  test.each([
    { colorScheme: "light", width: 1280, height: 800 },
    { colorScheme: "dark", width: 1280, height: 800 },
    { colorScheme: "light", width: 320, height: 640 },
    { colorScheme: "dark", width: 320, height: 640 },
  ] as const)(
    "a person logs in: $colorScheme, $width pixels wide",
    async ({ colorScheme, width, height }) => {
      const at = await office();
      const clientId = await at.client({
        client_name: "An agent with a rather long name that goes on and on for a while",
      });
      const context = await browser.newContext({
        colorScheme,
        viewport: { width, height },
        javaScriptEnabled: false,
      });
      const page = await context.newPage();
      await page.goto(
        at.authorizeUrl({ client_id: clientId, scope: "mcp:tools courses:write" }).href,
      );
      await expectReadable(page, `consent-${colorScheme}-${width}`);
      expect(await page.locator("h1").innerText()).toContain("An agent with a rather long name");
      expect(await page.locator("dl").innerText()).toContain("localhost:8123");
      await page.getByRole("button", { name: "Continue with Acme" }).click();
      await page.waitForURL(`${at.company.issuer}/**`);
      const back = page.waitForRequest(`${callback}?**`);
      // Nobody listens at the client's address: the browser ends there with an error of its own.
      await page.goto(`${page.url()}/carol`).catch(() => undefined);
      const { searchParams } = new URL((await back).url());
      expect(searchParams.get("code")).toEqual(expect.any(String));
      expect(searchParams.getAll("iss")).toEqual([at.issuer]);

      const other = await context.newPage();
      await other.goto(`${at.issuer}/idp/callback?state=x`);
      await expectReadable(other, `refused-${colorScheme}-${width}`);
      await context.close();
    },
  );
});

/** Nothing is wider than the window, and every text stands out enough (WCAG 2.2, 1.4.3 and 1.4.10). */
async function expectReadable(page: Page, name: string): Promise<void> {
  const { overflow, faint, texts } = await page.evaluate(measure);
  expect(overflow).toBe(0);
  expect(texts).toBeGreaterThan(3);
  expect(faint).toEqual([]);
  const picture = await page.screenshot({ fullPage: true });
  expect(picture.length).toBeGreaterThan(1_000);
  // For people who look at them.
  const dir = process.env["SCREENSHOTS"];
  if (dir === undefined) return;
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, `${name}.png`), picture);
}

/** Runs in the page. */
const measure = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => {
      const s = c / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color[3] !== 0) return color;
    }
    return [255, 255, 255];
  };
  const own = [...document.querySelectorAll("body *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== ""),
  );
  const faint = own.flatMap((element) => {
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(style.color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return ratio < 4.5 ? [element.textContent.trim() + " " + ratio.toFixed(2)] : [];
  });
  const { scrollWidth, clientWidth } = document.documentElement;
  return { overflow: Math.max(0, scrollWidth - clientWidth), faint, texts: own.length };
})()`;
