/** What every error of ours is made of; errors.ts has the list of them. */

export interface ErrorFacts {
  /** Stable, upper-case identifier. Never reused for another meaning. */
  readonly code: string;
  /** True when the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** What an operator can do about it, one sentence. */
  readonly hint: string;
}

/** What an error may carry besides its message. */
export interface ErrorOptions {
  readonly cause?: unknown;
  /** Machine-readable facts for logs and `--json`; never holds a payload or a secret. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Base of every error of ours; `instanceof OutboxRelayError` is the only "is ours" check. */
export class OutboxRelayError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly hint: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(facts: ErrorFacts, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = facts.code;
    this.retryable = facts.retryable;
    this.hint = facts.hint;
    this.details = options.details ?? {};
  }
}

export interface ErrorClass {
  new (message: string, options?: ErrorOptions): OutboxRelayError;
  readonly facts: ErrorFacts;
}

/** Facts of all that were defined. */
export const registry: ErrorFacts[] = [];

/** The class of one code; each is defined once, when the module is loaded. */
export function defineError(name: string, facts: ErrorFacts): ErrorClass {
  registry.push(Object.freeze(facts));
  const defined = class extends OutboxRelayError {
    static readonly facts = facts;
    constructor(message: string, options?: ErrorOptions) {
      super(facts, message, options);
    }
  };
  Object.defineProperty(defined, 'name', { value: name });
  return defined;
}
