/** What the two ways of publishing share. */
import type { Outbox } from '../enqueue/outbox.ts';
import type { BadLines } from './bad-lines.ts';
import type { LineRules } from './event-line.ts';

export interface PublishResult {
  stored: number;
  duplicates: number;
  skipped: number;
  firstSeq: number | null;
  lastSeq: number | null;
}

export interface PublishJob {
  readonly outbox: Outbox;
  /** Path of the input, or `-` for stdin. */
  readonly input: string;
  readonly rules: LineRules;
  readonly skipInvalid: boolean;
  readonly lineBytesMax: number;
  readonly bad: BadLines;
  readonly result: PublishResult;
}

export function count(
  result: PublishResult,
  { status, seq }: { readonly status: 'stored' | 'duplicate'; readonly seq: number },
): void {
  if (status === 'duplicate') {
    result.duplicates += 1;
    return;
  }
  result.stored += 1;
  result.firstSeq ??= seq;
  result.lastSeq = seq;
}
