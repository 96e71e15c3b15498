/** The operators' verbs: what is held, redrive, skip, purge, pause, resume, export, audit. */
import { userInfo } from 'node:os';
import { EventNotFoundError, FilterInvalidError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { isTopicName } from '../core/topic-name.ts';
import type {
  ActResult,
  ActVerb,
  AuditRow,
  DeadGroup,
  EventFacts,
  EventFilter,
  EventState,
  OperatorStore,
  PauseTarget,
  WholeEvent,
} from '../outbox/operator.ts';

export type {
  ActVerb,
  EventFacts,
  EventFilter,
  EventState,
  PauseTarget,
  WholeEvent,
} from '../outbox/operator.ts';

/** Who acts, on how many, and whether in earnest. */
export interface ActOptions {
  /** At most this many events, 1 to 1,000,000, in the order of their seq. Default: 1,000. */
  readonly limit?: number;
  /** Kept in the audit. Default: the name of the operating system's user, or its number. */
  readonly actor?: string;
  /** Kept in the audit; `skip` and `purge` need one. */
  readonly reason?: string;
  /** Counts, and changes nothing. Default: false. */
  readonly dryRun?: boolean;
}

/** What an act came to. */
export interface ActReport extends ActResult {
  readonly verb: ActVerb | 'pause' | 'resume' | 'reset-watermarks';
  readonly result: 'done' | 'nothing-to-do';
  readonly dryRun: boolean;
}

/** Which part of a list. */
export interface PageOptions {
  /** At most this many, 1 to 1,000,000. Default: 1,000. */
  readonly limit?: number;
  /** Only behind this seq, or audit id. Default: 0. */
  readonly after?: number;
}

const states: readonly EventState[] = [
  'pending',
  'delivered',
  'retrying',
  'blocked',
  'dead',
  'skipped',
];
const exportPage = 500;

/** An outbox file in an operator's hands, with or without a relay beside. */
export class Operator {
  readonly #store: OperatorStore;

  /** Use `openOperator`. */
  constructor(store: OperatorStore) {
    this.#store = store;
  }

  /** Events that fit, ascending by seq, without payloads. Throws FILTER_INVALID. */
  list(filter: EventFilter = {}, page: PageOptions = {}): EventFacts[] {
    return this.#store.list(checked(filter), pageOf(page));
  }

  /** One event with its payload. Throws EVENT_NOT_FOUND, FILTER_INVALID. */
  show(event: { readonly seq: number } | { readonly id: string }): WholeEvent {
    checked('seq' in event ? { seqs: [event.seq] } : { ids: [event.id] });
    const found = this.#store.find(event);
    if (found !== null) return found;
    const name = 'seq' in event ? `seq ${event.seq}` : `id ${event.id}`;
    throw new EventNotFoundError(`there is no event with ${name}`);
  }

  /** Dead events by topic and cause, the most first. Throws FILTER_INVALID. */
  dead(filter: Omit<EventFilter, 'states'> = {}): DeadGroup[] {
    return this.#store.deadGroups(checked(filter));
  }

  /**
   * Sends held events again: refused and dead ones with a new budget, skipped ones too. What waits
   * behind one follows it.
   * @throws EVENT_NOT_FOUND, EVENT_NOT_HELD, KEY_BLOCKED, EVENT_IN_FLIGHT, FILTER_INVALID
   */
  redrive(filter: EventFilter, options: ActOptions = {}): ActReport {
    return this.#act('redrive', filter, options);
  }

  /**
   * Takes held events out; what waits behind one goes on. They can be redriven until they are
   * pruned. Needs a reason. Throws as {@link Operator.redrive}.
   */
  skip(filter: EventFilter, options: ActOptions & { readonly reason: string }): ActReport {
    return this.#act('skip', filter, options);
  }

  /** Deletes held events, their payloads and dedupe keys for ever. Otherwise as `skip`. */
  purge(filter: EventFilter, options: ActOptions & { readonly reason: string }): ActReport {
    return this.#act('purge', filter, options);
  }

  /**
   * Nothing of the target is sent until `resume`, also after a restart.
   * @throws FILTER_INVALID for what is no topic's name, or a lane that the file has not
   */
  pause(target: PauseTarget, options: Omit<ActOptions, 'limit'> = {}): ActReport {
    return this.#pause('pause', target, options);
  }

  /** Ends a pause; `all` ends every one. Throws as {@link Operator.pause}. */
  resume(target: PauseTarget, options: Omit<ActOptions, 'limit'> = {}): ActReport {
    return this.#pause('resume', target, options);
  }

  /**
   * Gives up what Kafka says of exactly-once delivery, after `WATERMARK_AHEAD` or
   * `WATERMARK_MISSING`: every lane goes on from its own cursor, and what Kafka has beyond it is
   * sent once more. Needs a reason.
   * @throws FILTER_INVALID
   */
  resetWatermarks(options: { readonly reason: string } & Omit<ActOptions, 'limit'>): ActReport {
    const verb = 'reset-watermarks';
    const { dryRun = false } = options;
    const { actor, reason } = who(options);
    if (reason === null) throw needsReason(verb);
    const changed = this.#store.resetWatermarks({ verb, actor, reason, dryRun });
    const none = { inFlight: 0, mayBeOutOfOrder: 0 };
    return { verb, result: 'done', dryRun, matched: changed, changed, ...none };
  }

  /** Every event that fits, with its payload, page by page. */
  *export(filter: EventFilter = {}): Generator<WholeEvent> {
    const fit = checked(filter);
    for (let after = 0; ; ) {
      const page = this.#store.readWhole(fit, { limit: exportPage, after });
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < exportPage) return;
      after = last.seq;
    }
  }

  /** What operators have done, the oldest first. */
  audit(page: PageOptions = {}): AuditRow[] {
    return this.#store.audit(pageOf(page));
  }

  /** Closes the file. Legal twice. */
  close(): void {
    this.#store.close();
  }

  #act(verb: ActVerb, filter: EventFilter, options: ActOptions): ActReport {
    const { dryRun = false, limit = limits.operatorEventsDefault } = options;
    const { actor, reason } = who(options);
    if (verb !== 'redrive' && reason === null) throw needsReason(verb);
    within('limit', limit);
    const act = { verb, filter: checked(filter), limit, actor, reason, dryRun };
    const result = this.#store.act(act);
    return { verb, result: result.changed > 0 ? 'done' : 'nothing-to-do', dryRun, ...result };
  }

  #pause(verb: 'pause' | 'resume', target: PauseTarget, options: ActOptions): ActReport {
    const { dryRun = false } = options;
    if ('lane' in target && !Number.isInteger(target.lane)) {
      throw new FilterInvalidError(`lane: ${target.lane} is not a whole number`);
    }
    if ('topic' in target) checkTopic(target.topic);
    const changed = this.#store.pause({ verb, target, ...who(options), dryRun });
    const result = changed > 0 ? 'done' : 'nothing-to-do';
    const none = { inFlight: 0, mayBeOutOfOrder: 0 };
    return { verb, result, dryRun, matched: changed, changed, ...none };
  }
}

function needsReason(verb: string): Error {
  return new FilterInvalidError(`${verb} needs a reason: it is kept in the audit`);
}

/** Who does it and why, as the audit keeps it. */
export function who({ actor, reason }: Pick<ActOptions, 'actor' | 'reason'>): {
  actor: string;
  reason: string | null;
} {
  const given = reason?.trim() ?? '';
  const name = actor?.trim() ?? '';
  return { actor: name === '' ? userName() : name, reason: given === '' ? null : given };
}

/** A container may run as a user that has no name: looking for one throws. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

function pageOf({ limit = limits.operatorEventsDefault, after = 0 }: PageOptions) {
  within('limit', limit);
  if (!Number.isSafeInteger(after) || after < 0) {
    throw new FilterInvalidError(`after: ${after} is not a whole number from 0`);
  }
  return { limit, after };
}

function within(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= limits.operatorEventsMax) return;
  const range = `from 1 to ${limits.operatorEventsMax}`;
  throw new FilterInvalidError(`${name}: ${value} is not a whole number ${range}`);
}

/** @throws FILTER_INVALID */
function checked(filter: EventFilter): EventFilter {
  const { topic, seqs = [], ids = [] } = filter;
  for (const state of filter.states ?? []) {
    if (states.includes(state)) continue;
    throw new FilterInvalidError(`state: ${state} is none of ${states.join(', ')}`);
  }
  for (const seq of seqs) {
    if (Number.isSafeInteger(seq) && seq > 0) continue;
    throw new FilterInvalidError(`seq: ${seq} is not a whole number from 1`);
  }
  for (const id of ids) {
    if (/^[0-9a-f-]{36}$/i.test(id)) continue;
    throw new FilterInvalidError(`id: ${JSON.stringify(id)} is not a UUID`);
  }
  if (topic !== undefined) checkTopic(topic);
  for (const name of ['olderThanMs', 'youngerThanMs'] as const) {
    const age = filter[name];
    if (age === undefined || (Number.isFinite(age) && age >= 0)) continue;
    throw new FilterInvalidError(`${name}: ${age} is not a number from 0`);
  }
  return filter;
}

function checkTopic(topic: string): void {
  if (isTopicName(topic)) return;
  throw new FilterInvalidError(`topic: ${JSON.stringify(topic)} is no name of a topic`);
}
