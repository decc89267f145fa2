/** What these tests use of playwright-core, which has a folder of packages of its own. */
export interface BrowserType {
  readonly launch: (options: {
    readonly executablePath: string;
    readonly args: readonly string[];
  }) => Promise<Browser>;
}

export interface Browser {
  readonly newContext: (options: {
    readonly colorScheme: "light" | "dark";
    readonly viewport: { readonly width: number; readonly height: number };
    readonly javaScriptEnabled: boolean;
  }) => Promise<Context>;
  readonly close: () => Promise<void>;
}

interface Context {
  readonly newPage: () => Promise<Page>;
  readonly close: () => Promise<void>;
}

export interface Page {
  readonly goto: (url: string) => Promise<unknown>;
  readonly url: () => string;
  readonly locator: (selector: string) => { readonly innerText: () => Promise<string> };
  readonly getByRole: (
    role: string,
    options: { readonly name: string },
  ) => { readonly click: () => Promise<void> };
  readonly waitForURL: (pattern: string) => Promise<void>;
  readonly waitForRequest: (pattern: string) => Promise<{ readonly url: () => string }>;
  readonly evaluate: (script: string) => Promise<Readability>;
  readonly screenshot: (options: { readonly fullPage: boolean }) => Promise<Uint8Array>;
}

interface Readability {
  /** Pixels. */
  readonly overflow: number;
  /** Texts with too little contrast, with that. */
  readonly faint: readonly string[];
  readonly texts: number;
}
