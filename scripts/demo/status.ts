/**
 * What the relay's own `status --json` says, asked once a second: an operator's view of the
 * outbox, and the source of `roundsUsedUp`, `deliveredByJob` and `peakPending`.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const cliTimeoutMs = 10_000;

export interface OutboxStatus {
  readonly relay: string;
  readonly pending: number;
  readonly delivered: number;
  readonly circuit: string | null;
  readonly ratePerSecond: number | null;
  readonly lanes: number;
  readonly roundsUsedUp: number;
  readonly deliveredByJob: number;
}

/** Picks the demo's part out of `status --json`. Throws on an answer of another shape. */
export function parseStatus(text: string): OutboxStatus {
  const answer = JSON.parse(text) as Record<string, unknown>;
  const count = (name: string) => {
    const value = answer[name];
    if (typeof value === 'number') return value;
    throw new TypeError(`status has no number "${name}"`);
  };
  const optional = (name: string) =>
    typeof answer[name] === 'number' ? (answer[name] as number) : null;
  const lanes = answer['lanes'];
  if (!Array.isArray(lanes)) throw new TypeError('status has no list "lanes"');
  return {
    relay: String(answer['relay']),
    pending: count('pending'),
    delivered: count('delivered'),
    circuit: typeof answer['circuit'] === 'string' ? answer['circuit'] : null,
    ratePerSecond: optional('ratePerSecond'),
    lanes: lanes.length,
    roundsUsedUp: count('roundsUsedUp'),
    deliveredByJob: count('deliveredByJob'),
  };
}

/** Runs a command of ours to its end and gives its stdout. Rejects with what it printed. */
export async function runCli(args: readonly string[]): Promise<string> {
  const command = ['--disable-warning=ExperimentalWarning', cli, ...args];
  try {
    return (await execute(process.execPath, command, { timeout: cliTimeoutMs })).stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(`outbox-relay ${args[0]}: ${stderr?.trim() || message}`, { cause: error });
  }
}

async function askStatus(dbFile: string): Promise<OutboxStatus> {
  return parseStatus(await runCli(['status', '--db', dbFile, '--json']));
}

/** Asks again and again until it is stopped; keeps the last answer and the peak. */
export class StatusWatch {
  #last: OutboxStatus | null = null;
  #peakPending: number | null = null;
  #lastFault: unknown = null;
  #stopped = false;
  readonly #dbFile: string;
  readonly #running: Promise<void>;

  constructor(dbFile: string, everyMs: number) {
    this.#dbFile = dbFile;
    this.#running = this.#watch(everyMs);
  }

  get last(): OutboxStatus | null {
    return this.#last;
  }

  get peakPending(): number | null {
    return this.#peakPending;
  }

  /** Why the last question had no answer; `null` when it had one. */
  get lastFault(): unknown {
    return this.#lastFault;
  }

  /** Asks now, beside the steady questions. */
  async ask(): Promise<OutboxStatus> {
    const status = await askStatus(this.#dbFile);
    this.#last = status;
    this.#peakPending = Math.max(this.#peakPending ?? 0, status.pending);
    return status;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #watch(everyMs: number): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.ask();
        this.#lastFault = null;
      } catch (error) {
        // The first answers may come before the file is there; the report says when none came.
        this.#lastFault = error;
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }
}
