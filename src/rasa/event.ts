/** From an event of Rasa to a record as Rasa's own broker would have sent it. */
import { EventInvalidError } from '../core/errors.ts';
import type { OutboxEvent } from '../core/event.ts';
import { limits } from '../core/limits.ts';
import { isRasaFloat } from './float-fields.ts';
import { toPythonJson } from './python-json.ts';

/** An event of Rasa, as the dictionary that Rasa hands to its event broker. */
export type RasaEvent = Readonly<Record<string, unknown>>;

export interface RecordRules {
  readonly topic: string;
  readonly partitionBySender: boolean;
  /** Value of the header; `null` for no header. */
  readonly environment: string | null;
  /** The relay's own, which are not stored again. */
  readonly retry: { readonly retries: number; readonly delayMs: number };
}

export interface Patience {
  readonly retries: number;
  readonly delaySeconds: number;
}

/** @throws EVENT_INVALID */
export function toOutboxEvent(event: RasaEvent, patience: Patience, rules: RecordRules) {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    throw invalid('event', 'must be an object');
  }
  const { environment, retry, topic } = rules;
  const { retries } = patience;
  const delayMs = delayMsOf(patience.delaySeconds);
  const record: OutboxEvent = {
    topic,
    key: rules.partitionBySender ? senderOf(event) : null,
    value: toPythonJson(event, { isFloat: isRasaFloat }),
    headers: environment === null ? [] : [['RASA_ENVIRONMENT', environment]],
    retries: retries === retry.retries ? null : retries,
    delayMs: delayMs === retry.delayMs ? null : delayMs,
  };
  return record;
}

/** Without it the event would have no order among its conversation's. */
function senderOf({ sender_id: sender }: RasaEvent): string {
  if (typeof sender === 'string') return sender;
  const problem = sender === undefined ? 'is missing' : 'is not text';
  throw invalid('sender_id', `${problem}; partition_by_sender needs it as the key`);
}

function delayMsOf(seconds: unknown): number {
  const ms = Math.round((seconds as number) * 1_000);
  const legal = typeof seconds === 'number' && ms >= 0 && ms <= limits.delayMsMax;
  if (!legal) throw invalid('retryDelayInSeconds', `must be from 0 to a day, not ${seconds}`);
  return ms;
}

function invalid(field: string, problem: string): Error {
  return new EventInvalidError(`${field} ${problem}`, { details: { field } });
}
