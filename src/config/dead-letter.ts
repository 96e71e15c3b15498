/** The options of dead events: those that Kafka has refused to the end of their retries. */
import { z } from 'zod';
import { topicName } from '../core/topic-name.ts';
import { facts } from './facts.ts';

const deadLetterShape = {
  order: z
    .enum(['block', 'continue'])
    .optional()
    .meta(
      facts({
        description:
          'What the others of a dead event’s key do: `block` waits for an operator, ' +
          '`continue` goes on without it.',
        fallback: 'block',
        flag: 'dead-letter-order',
        value: 'HOW',
      }),
    ),
  topic: z
    .string()
    .regex(topicName, { error: 'must be 1 to 249 of a-z A-Z 0-9 . _ -' })
    .nullable()
    .optional()
    .meta(
      facts({
        description: 'Topic that gets a copy of each dead event, with the cause in its headers.',
        fallback: 'none',
        note: 'The event itself stays in the outbox, whatever becomes of the copy.',
        flag: 'dead-letter-topic',
        value: 'TOPIC',
      }),
    ),
};

export const deadLetterGroup = z.strictObject(deadLetterShape).optional();
