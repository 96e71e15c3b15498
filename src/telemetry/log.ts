/** What a relay says, as log lines. */
import { isWatermarkFault } from '../core/watermark-fault.ts';
import type { RelayEmitter } from '../relay/events.ts';

/** Facts first, then a fixed sentence. */
export type LogLine = (facts: object, message: string) => void;

/** What is used of a logger; pino's shape, so that a pino logger or a child of one fits. */
export interface RelayLogger {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}

/** Logs every event under a fixed sentence. No event's key or value is among them. */
export function logEvents(relay: RelayEmitter, given: RelayLogger): void {
  const logger = guarded(relay, given);
  const said = (cause: unknown) => (cause instanceof Error ? { cause: cause.message } : {});
  relay.on('started', () => logger.info({}, 'started'));
  relay.on('stopped', ({ clean }) => logger.info({ clean }, 'stopped'));
  /** What each lane was last said to wait for: the same again is no news. */
  const told = new Map<number, string>();
  relay.on('delivered', (facts) => {
    told.delete(facts.lane);
    logger.debug(facts, 'delivered');
  });
  relay.on('circuit', ({ state, cause }) => {
    const { code, message } = (cause ?? {}) as { code?: string; message?: string };
    if (state === 'open') logger.warn({ code, message }, 'Kafka is away: circuit open');
    else logger.info({}, 'Kafka answers: circuit closed');
  });
  relay.on('laneFailed', ({ lane, failure }) => {
    const { kind, code, message, topic, seq } = failure;
    const facts = { lane, kind, code, message, topic, seq };
    const news = [kind, code, topic, seq].join();
    const known = told.get(lane) === news;
    told.set(lane, news);
    const isFault = kind === 'refused-topic' || kind === 'bug' || isWatermarkFault(code);
    // An outage is told once, as the circuit, which nothing else opens.
    if (known || kind === 'outage') logger.debug(facts, 'lane waits');
    else if (isFault) logger.error(facts, 'lane waits');
    else logger.warn(facts, 'lane waits');
  });
  relay.on('refused', (facts) => {
    if (facts.dead) logger.error(facts, 'an event is dead: it waits for an operator');
    else logger.warn(facts, 'Kafka refuses an event: it is tried again');
  });
  relay.on('topicStopped', (facts) => {
    logger.warn(facts, 'a topic takes no events: they are set aside');
  });
  relay.on('topicResumed', (facts) => {
    logger.info(facts, 'a topic takes events again: what was set aside is delivered');
  });
  relay.on('loginFailed', ({ code, message, hint }) => {
    logger.error({ code, message, hint }, 'Kafka does not let the relay in; its events wait');
  });
  relay.on('roundUsedUp', ({ lane }) => logger.warn({ lane }, 'retries used up: a new round'));
  relay.on('leaseLost', (facts) => logger.warn(facts, 'another relay owns the lane'));
  relay.on('leaseTaken', (facts) => logger.info(facts, 'took over a lane'));
  relay.on('redis', ({ reachable, cause }) => {
    if (reachable) logger.info({}, 'Redis answers');
    else logger.warn(said(cause), 'Redis does not answer');
  });
  relay.on('pruned', (facts) => logger.debug(facts, 'pruned'));
  relay.on('warning', ({ code, message }) => logger.warn({ code }, message));
}

/**
 * The logger, which may throw, e.g. because its destination was closed first. Other listeners hear
 * of it once; it must not end a drain, nor the process.
 */
function guarded(relay: RelayEmitter, logger: RelayLogger): RelayLogger {
  let broken = false;
  const guard =
    (level: keyof RelayLogger): LogLine =>
    (facts, message) => {
      try {
        logger[level](facts, message);
        broken = false;
      } catch (error) {
        if (broken) return; // told before; this may be that warning's own line
        broken = true;
        const thrown = error instanceof Error ? error.message : String(error);
        const warning = { code: 'LISTENER_FAILED', message: `the logger threw: ${thrown}` };
        relay.emit('warning', { ...warning, cause: error });
      }
    };
  return { debug: guard('debug'), info: guard('info'), warn: guard('warn'), error: guard('error') };
}
