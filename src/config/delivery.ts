/** How often an event may arrive, and what is added to it. */
import { z } from 'zod';
import { facts } from './facts.ts';

export const deliveryOption = z
  .enum(['at-least-once', 'exactly-once'])
  .optional()
  .meta(
    facts({
      description:
        '`exactly-once` sends in transactions, for consumers that read what is committed.',
      fallback: 'at-least-once',
      note: 'Each batch is a transaction, which costs rate; copies of dead events may repeat.',
      flag: 'delivery',
      value: 'HOW',
    }),
  );

export const headersOption = z
  .boolean()
  .optional()
  .meta(
    facts({
      description: 'Adds `outbox-event-id`, `outbox-seq` and `outbox-source` to every record.',
      fallback: 'true',
      flag: 'headers',
      value: 'true|false',
    }),
  );

export const sourceOption = z
  .string()
  .min(1)
  .max(1_000)
  .nullable()
  .optional()
  .meta(
    facts({
      description: 'Text of the `outbox-source` header.',
      fallback: 'the outbox’s id',
      note: 'No effect with `headers: false`.',
      flag: 'source',
      value: 'TEXT',
    }),
  );
