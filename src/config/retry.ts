/** The options of the retry policy. */
import { z } from 'zod';
import { limits } from '../core/limits.ts';
import { day, facts, milliseconds } from './facts.ts';

export const retryShape = {
  retries: z
    .int()
    .min(0)
    .max(limits.retriesMax)
    .optional()
    .meta(
      facts({
        description:
          'Tries after the first one: of an event that Kafka refuses, and of a job’s round.',
        fallback: String(limits.retriesDefault),
        note: 'An outage costs an event none of them; a round that is used up drops nothing.',
        flag: 'retries',
        value: 'N',
      }),
    ),
  delayMs: milliseconds(0, limits.delayMsMax)
    .optional()
    .meta(
      facts({
        description: 'Wait before a refused event, or a failed drain, is tried again.',
        fallback: String(limits.delayMsDefault),
        unit: 'ms',
        note: 'When Kafka answers again nothing waits for it.',
        flag: 'delay',
        value: 'MS',
      }),
    ),
  backoff: z
    .enum(['fixed', 'exponential'])
    .optional()
    .meta(
      facts({
        description: 'Whether the delay stays or doubles with each attempt.',
        fallback: 'fixed',
        flag: 'backoff',
        value: 'KIND',
      }),
    ),
  maxDelayMs: milliseconds(0, day)
    .optional()
    .meta(
      facts({
        description: 'Upper bound of an exponential delay.',
        fallback: String(limits.maxDelayMsDefault),
        unit: 'ms',
        note: 'No effect with `backoff: fixed`.',
        flag: 'max-delay',
        value: 'MS',
      }),
    ),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta(
      facts({
        description: 'Share of the delay that is drawn at random and taken off.',
        fallback: '0',
        flag: 'jitter',
        value: 'SHARE',
      }),
    ),
};
