/**
 * The publisher's own ledger: what was accepted, written and synced before it is counted.
 *
 * One JSON array a line: `["accepted", number, id, key, sha256 of the value, ms]`, or
 * `["unknown", key, sha256, ms]` for a publish that ended in OUTCOME_UNKNOWN, which counts as
 * neither accepted nor invented. A kill between two syncs loses lines that nobody counted yet. The
 * outbox file is never read for it: the ledger is the witness against the outbox.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

export interface AcceptedEvent {
  /** Place in the publisher's own order, which is the order of calls within a key. */
  readonly number: number;
  readonly id: string;
  readonly key: string;
  /** SHA-256 of the value, hex. */
  readonly hash: string;
  /** When `publish` resolved, wall clock. */
  readonly atMs: number;
}

export interface UnknownEvent {
  readonly key: string;
  readonly hash: string;
  readonly atMs: number;
}

export interface Ledger {
  readonly accepted: readonly AcceptedEvent[];
  readonly unknown: readonly UnknownEvent[];
}

export function hashOf(value: string | Uint8Array | null): string {
  return createHash('sha256')
    .update(value ?? '')
    .digest('hex');
}

export function acceptedLine(event: AcceptedEvent): string {
  return JSON.stringify(['accepted', event.number, event.id, event.key, event.hash, event.atMs]);
}

export function unknownLine(event: UnknownEvent): string {
  return JSON.stringify(['unknown', event.key, event.hash, event.atMs]);
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

/** Reads a ledger. Throws with file and line number on anything that is not a ledger line. */
export function readLedger(path: string): Ledger {
  const accepted: AcceptedEvent[] = [];
  const unknown: UnknownEvent[] = [];
  readLines(path, (fields) => {
    const [kind, ...rest] = fields;
    if (kind === 'accepted' && hasTypes(rest, ['number', 'string', 'string', 'string', 'number'])) {
      const [number, id, key, hash, atMs] = rest as [number, string, string, string, number];
      accepted.push({ number, id, key, hash, atMs });
    } else if (kind === 'unknown' && hasTypes(rest, ['string', 'string', 'number'])) {
      const [key, hash, atMs] = rest as [string, string, number];
      unknown.push({ key, hash, atMs });
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

export function hasTypes(fields: readonly unknown[], types: readonly string[]): boolean {
  return fields.length === types.length && fields.every((field, at) => typeof field === types[at]);
}
