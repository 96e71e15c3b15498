/** What the two ways of publishing share. */
import type { Outbox } from '../index.ts';
import type { BadLine, BadLines } from './bad-lines.ts';
import type { LineRules } from './event-line.ts';

/** The JSON of `outbox-relay publish --json`. */
export interface PublishResult {
  stored: number;
  /** Events whose dedupe key was known; nothing was stored for them. */
  duplicates: number;
  /** Lines that are no event. */
  skipped: number;
  /** The first 20 of them. */
  skippedLines: readonly BadLine[];
  /** Of the stored events; `null` when there are none. */
  firstSeq: number | null;
  lastSeq: number | null;
}

export const emptyResult = (): PublishResult => {
  const seqs = { firstSeq: null, lastSeq: null };
  return { stored: 0, duplicates: 0, skipped: 0, skippedLines: [], ...seqs };
};

export interface PublishJob {
  readonly outbox: Outbox;
  /** Path of the input, or `-` for stdin. */
  readonly input: string;
  readonly rules: LineRules;
  readonly skipInvalid: boolean;
  readonly lineBytesMax: number;
  readonly bad: BadLines;
  readonly result: PublishResult;
  /** Whether a progress bar is shown, on stderr. */
  readonly progress: boolean;
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
