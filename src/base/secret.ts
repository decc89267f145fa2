/**
 * A value that must not be shown. Every way of turning it into text by accident (template, JSON,
 * console, inspector) gives `***` or nothing; `reveal()` marks the few places that send it.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "***";
  }

  toJSON(): string {
    return "***";
  }
}
