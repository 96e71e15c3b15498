/**
 * The publisher's own ledger: what was accepted, written and synced before it is counted.
 *
 * One JSON array a line: `["accepted", number, id, topic, key, sha256 of the value, ms]`, or
 * `["unknown", topic, key, sha256]` for a publish that ended in OUTCOME_UNKNOWN, which counts as
 * neither accepted nor invented. A kill between two syncs loses lines that nobody counted yet. The
 * outbox file is never read for it: the ledger is the witness against the outbox.
 */
import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { AcceptedEvent, UnknownEvent } from '../../src/testing/checker.ts';

/** Of the demo every event has a key, and the publisher's own number. */
export interface LedgerEvent extends AcceptedEvent {
  readonly number: number;
  readonly key: string;
}

export interface Ledger {
  readonly accepted: readonly LedgerEvent[];
  readonly unknown: readonly UnknownEvent[];
}

export function acceptedLine(event: LedgerEvent): string {
  const { number, id, topic, key, hash, atMs } = event;
  return JSON.stringify(['accepted', number, id, topic, key, hash, atMs]);
}

export function unknownLine({ topic, key, hash }: UnknownEvent): string {
  return JSON.stringify(['unknown', topic, key, hash]);
}

/** Appends lines and syncs them; what `append` resolved for survives the death of the machine. */
export class LedgerWriter {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Creates the file. Rejects when it exists: a ledger has one writer and one run. */
  static async create(path: string): Promise<LedgerWriter> {
    return new LedgerWriter(await open(path, 'ax'));
  }

  async append(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    await this.#handle.appendFile(`${lines.join('\n')}\n`);
    await this.#handle.datasync();
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

type AcceptedFields = [number, string, string, string, string, number];
const acceptedTypes = ['number', 'string', 'string', 'string', 'string', 'number'];

/** Reads a ledger. Throws with file and line number on anything that is not a ledger line. */
export function readLedger(path: string): Ledger {
  const accepted: LedgerEvent[] = [];
  const unknown: UnknownEvent[] = [];
  readLines(path, (fields) => {
    const [kind, ...rest] = fields;
    if (kind === 'accepted' && hasTypes(rest, acceptedTypes)) {
      const [number, id, topic, key, hash, atMs] = rest as AcceptedFields;
      accepted.push({ number, id, topic, key, hash, atMs });
    } else if (kind === 'unknown' && hasTypes(rest, ['string', 'string', 'string'])) {
      const [topic, key, hash] = rest as [string, string, string];
      unknown.push({ topic, key, hash });
    } else {
      throw new TypeError('not a ledger line');
    }
  });
  return { accepted, unknown };
}

/** Calls `take` with each line's JSON array; a fault names the file and the line. */
export function readLines(path: string, take: (fields: readonly unknown[]) => void): void {
  const text = readFileSync(path, 'utf8');
  if (text === '') return;
  if (!text.endsWith('\n')) throw new Error(`${path}: the last line is torn`);
  for (const [index, line] of text.slice(0, -1).split('\n').entries()) {
    try {
      const fields: unknown = JSON.parse(line);
      if (!Array.isArray(fields)) throw new TypeError('not a JSON array');
      take(fields);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${path}:${index + 1}: ${message}`, { cause: error });
    }
  }
}

function hasTypes(fields: readonly unknown[], types: readonly string[]): boolean {
  return fields.length === types.length && fields.every((field, at) => typeof field === types[at]);
}
