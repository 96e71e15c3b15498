/**
 * Relays as processes of their own, for tests that kill one where it hurts and let the next go on.
 * A process ends with whoever started it, however that ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RelayOptions } from '../config/relay-options.ts';
import { resolveConfig } from '../config/resolve.ts';
import { systemClock, within } from '../core/clock.ts';
import { ConfigInvalidError, RelayProcessEndedError, StepNotReachedError } from '../core/errors.ts';
import { openStatus } from '../outbox-file.ts';
import type { DrainStep } from '../relay/lane-parts.ts';
import { type RelayOrders, type RelayTold, type StepFault, stopLine } from './relay-orders.ts';
import { until } from './until.ts';

/** How a relay's process ended. */
export interface RelayEnd {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long a test waits for a relay in a process of its own. */
export interface RelayWait {
  /** Default: 60,000 ms. */
  readonly timeoutMs?: number;
}

/** What {@link startRelayProcess} may ask besides. */
export interface RelayProcessOptions {
  /** The step at which it freezes itself, as under SIGSTOP; not on Windows. Default: none. */
  readonly freezeAt?: DrainStep;
  /** The how many-th time it comes to that step, over all lanes; from 1. Default: 1. */
  readonly nth?: number;
}

/** Where {@link killRelayAt} kills. */
export interface KillOptions extends RelayWait {
  /** The how many-th time the relay comes to the step, over all lanes; from 1. Default: 1. */
  readonly nth?: number;
}

/** Where a relay has killed itself. */
export interface KilledRelay {
  readonly step: DrainStep;
  /** The lane that had come to the step. */
  readonly lane: number;
  /** Lanes of the outbox. */
  readonly lanes: number;
  /**
   * Events in one send, at most. A relay that is killed repeats no more than that in each of the
   * lanes: at most `lanes * batchEvents` records are duplicates of this kill.
   */
  readonly batchEvents: number;
  /** What it had told before. */
  readonly relay: RelayProcess;
}

const timeoutMsDefault = 60_000;
/** Of its errors, in the message of one of ours. */
const lastLines = 20;
// Beside this file, in the source and in what is built from it.
const program = fileURLToPath(
  new URL(`./relay-process${extname(new URL(import.meta.url).pathname)}`, import.meta.url),
);

/** A relay in a process of its own; made by {@link startRelayProcess}. */
export class RelayProcess {
  /** What it has told so far, in order. */
  readonly told: readonly RelayTold[];
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<RelayEnd>;
  readonly #child: ChildProcess;
  readonly #db: string;
  readonly #errors: string[] = [];
  #end: RelayEnd | null = null;

  /** @internal */
  constructor(orders: RelayOrders) {
    const told: RelayTold[] = [];
    this.told = told;
    this.#db = orders.options.db;
    this.#child = spawn(process.execPath, [program], { stdio: 'pipe' });
    const { stdin, stdout, stderr } = this.#child;
    if (stdin === null || stdout === null || stderr === null) throw new TypeError('no pipes');
    createInterface({ input: stdout }).on('line', (line) => told.push(parse(line)));
    createInterface({ input: stderr }).on('line', (line) => this.#errors.push(line));
    stdin.on('error', (error) => this.#errors.push(String(error))); // it has ended: `ended` says so
    stdin.write(`${JSON.stringify(orders)}\n`);
    this.ended = new Promise((resolve) => {
      const end = (result: RelayEnd) => {
        this.#end = result;
        resolve(result);
      };
      this.#child.once('error', (error) => {
        this.#errors.push(String(error));
        if (this.#child.pid === undefined) end({ code: null, signal: null });
      });
      this.#child.once('close', (code, signal) => end({ code, signal }));
    });
  }

  /** Its process id. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * The first of its events of this name, told already or not.
   * @throws (rejects with) RELAY_PROCESS_ENDED; TEST_TIMEOUT
   */
  async waitFor(event: RelayTold['event'], { timeoutMs }: RelayWait = {}): Promise<RelayTold> {
    return this.#until(`the relay tells ${event}`, timeoutMs, () =>
      this.told.find((one) => one.event === event),
    );
  }

  /**
   * Resolves when nothing is pending in the outbox; what is held may stay.
   * @throws (rejects with) RELAY_PROCESS_ENDED; TEST_TIMEOUT
   */
  async drained({ timeoutMs }: RelayWait = {}): Promise<void> {
    const status = openStatus(this.#db);
    try {
      await this.#until('nothing is pending', timeoutMs, () => status.read().pending === 0);
    } finally {
      status.close();
    }
  }

  async #until<T>(
    what: string,
    timeoutMs: number | undefined,
    condition: () => T,
  ): Promise<NonNullable<T>> {
    const holds = () => {
      const end = this.#end; // before the condition: what it told last counts
      const answer = condition();
      if (!answer && end !== null) throw this.endedError(what);
      return answer;
    };
    return until(what, holds, { timeoutMs: timeoutMs ?? timeoutMsDefault });
  }

  /**
   * An error that tells how it ended, and what it said last.
   * @internal
   */
  endedError(before: string): Error {
    const { code = null, signal = null } = this.#end ?? {};
    const failures = this.told.filter(({ event }) => event === 'failed');
    const told = failures.map((one) => `${one['code']}: ${one['message']}`);
    const said = [...told, ...this.#errors.slice(-lastLines)].join('\n') || 'nothing';
    const how = signal === null ? `with code ${code}` : `by ${signal}`;
    const message = `the relay ended ${how} before ${before}; it said ${said}`;
    return new RelayProcessEndedError(message, { details: { code, signal } });
  }

  /** Freezes it, as SIGSTOP does; not on Windows. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  /** Lets it go on. */
  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Stops it in good order, and resolves when it has ended. */
  async stop(): Promise<RelayEnd> {
    this.#child.stdin?.write(`${stopLine}\n`);
    return this.ended;
  }

  /** SIGKILL; resolves when it has ended. Legal at any time. */
  async kill(): Promise<RelayEnd> {
    this.#child.kill('SIGKILL');
    return this.ended;
  }

  /** As `kill`, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** A line of it that is no JSON is a warning of something in its process. */
function parse(line: string): RelayTold {
  try {
    return JSON.parse(line) as RelayTold;
  } catch {
    return { event: 'warning', message: line };
  }
}

/**
 * Starts a relay in a process of its own and resolves when it relays. Kill it or stop it; it also
 * ends when this process does.
 * @param options as those of `createRelay`; they must be JSON
 * @throws (rejects with) CONFIG_INVALID; RELAY_PROCESS_ENDED when it cannot start
 */
export async function startRelayProcess(
  options: RelayOptions,
  { freezeAt, nth = 1 }: RelayProcessOptions = {},
): Promise<RelayProcess> {
  const fault = freezeAt === undefined ? null : { step: freezeAt, nth, signal: 'SIGSTOP' as const };
  const relay = spawnRelay(options, fault);
  try {
    await relay.waitFor('started');
    return relay;
  } catch (error) {
    await relay.kill();
    throw error;
  }
}

/**
 * Starts a relay in a process of its own that kills itself with SIGKILL at a step of a drain, and
 * resolves when it is dead. Nothing of it runs on: what it had in flight is what a crash leaves.
 * @param options as those of `createRelay`; they must be JSON
 * @throws (rejects with) CONFIG_INVALID; STEP_NOT_REACHED after `timeoutMs`; RELAY_PROCESS_ENDED
 *   when it ended otherwise
 */
export async function killRelayAt(
  step: DrainStep,
  options: RelayOptions,
  { nth = 1, timeoutMs = timeoutMsDefault }: KillOptions = {},
): Promise<KilledRelay> {
  const relay = spawnRelay(options, { step, nth, signal: 'SIGKILL' });
  const end = await within(systemClock, timeoutMs, relay.ended);
  if (end === null) await relay.kill();
  const steps = relay.told.filter(({ event }) => event === 'step');
  const last = steps.at(-1);
  // Windows has no signals: there it ends with a code.
  const killed = end?.value.signal === 'SIGKILL' || process.platform === 'win32';
  if (end !== null && (last === undefined || steps.length < nth || !killed)) {
    throw relay.endedError(`it came to ${step} for the ${nth}. time`);
  }
  if (end === null || last === undefined) {
    const times = `${steps.length} of ${nth} times in ${timeoutMs} ms`;
    const details = { step, times: steps.length, nth, pid: relay.pid };
    throw new StepNotReachedError(`the relay came to ${step} ${times}`, { details });
  }
  const { batchEvents, db } = resolveConfig(options);
  return { step, lane: Number(last['lane']), lanes: lanesOf(db), batchEvents, relay };
}

/** @throws CONFIG_INVALID */
function spawnRelay(options: RelayOptions, fault: StepFault | null): RelayProcess {
  resolveConfig(options); // told at once, and here
  if (fault !== null && (!Number.isSafeInteger(fault.nth) || fault.nth < 1)) {
    throw new ConfigInvalidError(`nth: ${fault.nth} is not a whole number from 1`);
  }
  return new RelayProcess({ options, fault });
}

function lanesOf(db: string): number {
  const status = openStatus(db);
  try {
    return status.read().lanes.length;
  } finally {
    status.close();
  }
}
