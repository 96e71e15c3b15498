/** The options that keep things within bounds: what is accepted, and how fast it is sent. */
import { z } from 'zod';
import { limits } from '../core/limits.ts';
import { facts } from './facts.ts';

const most = Number.MAX_SAFE_INTEGER;
const door = 'No effect on `run`: it is for what writes, e.g. `publish` and `openOutbox`.';

export const boundsGroup = z
  .strictObject({
    events: z
      .int()
      .min(1)
      .max(most)
      .optional()
      .meta(
        facts({
          description: 'Events that may wait, held ones too; more are refused with `OUTBOX_FULL`.',
          fallback: 'none',
          note: door,
          flag: 'bound-events',
          value: 'N',
        }),
      ),
    bytes: z
      .int()
      .min(1)
      .max(most)
      .optional()
      .meta(
        facts({
          description:
            'Bytes of the file in use, with its log of changes, beyond which is refused.',
          fallback: 'none',
          unit: 'bytes',
          note: door,
          flag: 'bound-bytes',
          value: 'BYTES',
        }),
      ),
    freeDiskBytes: z
      .int()
      .min(0)
      .max(most)
      .optional()
      .meta(
        facts({
          description:
            'Bytes of the disk that must stay free, besides what the log has yet to copy.',
          fallback: String(limits.freeDiskBytesDefault),
          unit: 'bytes',
          note: door,
          flag: 'bound-free-disk',
          value: 'BYTES',
        }),
      ),
  })
  .optional();

export const governorGroup = z
  .strictObject({
    eventsPerSecond: z
      .int()
      .min(1)
      .max(most)
      .optional()
      .meta(
        facts({
          description: 'Events that the relay sends in a second, at most, over all lanes.',
          fallback: 'none',
          flag: 'events-per-second',
          value: 'N',
        }),
      ),
    bytesPerSecond: z
      .int()
      .min(1)
      .max(most)
      .optional()
      .meta(
        facts({
          description: 'Bytes of key, value and headers that it sends in a second, at most.',
          fallback: 'none',
          unit: 'bytes',
          flag: 'bytes-per-second',
          value: 'BYTES',
        }),
      ),
  })
  .optional();
