/** Python's log levels, and a logger that says nothing below one. */
import { pino } from 'pino';
import { KafkaProducerInitializationError } from '../core/errors.ts';
import type { RelayLogger } from '../telemetry/log.ts';

const levels: Readonly<Record<string, number>> = {
  CRITICAL: 50,
  FATAL: 50,
  ERROR: 40,
  WARNING: 30,
  WARN: 30,
  INFO: 20,
  DEBUG: 10,
  NOTSET: 0,
};

/** @throws KAFKA_PRODUCER_INITIALIZATION when Python's logging would not know it either */
export function levelOf(loglevel: unknown): number {
  const word = String(loglevel).toUpperCase();
  const level = levels[word] ?? (/^\d{1,9}$/.test(word) ? Number(word) : null);
  if (level !== null) return level;
  const names = Object.keys(levels).join(', ');
  throw new KafkaProducerInitializationError(`loglevel: must be a whole number, or ${names}`);
}

/** JSON lines on stderr. */
export function stderrLogger(): RelayLogger {
  const destination = pino.destination({ dest: 2, sync: true });
  return pino({ name: 'KafkaEventBroker', level: 'debug' }, destination);
}

const silence = () => {};

/** Lets through what is at or above the level. */
export function fromLevel(logger: RelayLogger, level: number): RelayLogger {
  const pass = (name: keyof RelayLogger, its: number) =>
    its >= level ? (facts: object, message: string) => logger[name](facts, message) : silence;
  return {
    debug: pass('debug', 10),
    info: pass('info', 20),
    warn: pass('warn', 30),
    error: pass('error', 40),
  };
}
