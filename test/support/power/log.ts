/** The log that shim.c writes, as records. */

/** In the order of shim.c's `enum kind`, which begins with 1. */
const kinds = [
  'opened',
  'write',
  'done',
  'sync',
  'synced',
  'truncate',
  'unlink',
  'rename',
  'link',
] as const;

export interface LogRecord {
  readonly kind: (typeof kinds)[number];
  /** Process and number of the change; `done` and `synced` name the one that they end. */
  readonly change: string;
  readonly inode: number;
  /** Of a write, where it goes; of `truncate`, the new length; of `opened`, 1: it was made. */
  readonly offset: number;
  /** Of `done` and `synced`: the errno; 0: it went well. */
  readonly error: number;
  /** What is written, or the name; of `rename` and `link` both, with a NUL between. */
  readonly data: Buffer;
}

const magic = 0xd15cf1a65ec70a11n;
const headerBytes = 48;

/**
 * A process that is killed may leave a part of its last record, in the middle of others' records.
 * It is left out: a change is written down before it is made, so that one was never made.
 * @throws where there is neither a record nor a part of one
 */
export function readLog(log: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at < log.length; ) {
    if (!isStart(log, at)) throw new Error(`the log is not understood at ${at}`);
    const end = endOfRecord(log, at);
    if (end !== null) records.push(recordAt(log, at));
    at = end ?? nextRecord(log, at + 1);
  }
  return records;
}

/** Of which files a sync has failed, and with which errno. */
export function failedSyncs(records: readonly LogRecord[]): { name: string; errno: number }[] {
  const names = new Map<number, string>();
  const failed: { name: string; errno: number }[] = [];
  for (const { kind, inode, error, data } of records) {
    if (kind === 'opened') names.set(inode, data.toString());
    if (kind !== 'synced' || error === 0) continue;
    failed.push({ name: names.get(inode) ?? '', errno: error });
  }
  return failed;
}

/** `null`: only a part of it is there, and others have written where the rest would be. */
function endOfRecord(log: Buffer, at: number): number | null {
  if (!isRecord(log, at)) return null;
  const end = at + headerBytes + log.readUInt32LE(at + 20);
  if (end > log.length) return null;
  return isStart(log, end) || nextRecord(log, at + 1) >= end ? end : null;
}

function isRecord(log: Buffer, at: number): boolean {
  if (at + headerBytes > log.length || log.readBigUInt64LE(at) !== magic) return false;
  const kind = log.readUInt32LE(at + 8);
  return kind >= 1 && kind <= kinds.length;
}

const magicBytes = Buffer.alloc(8);
magicBytes.writeBigUInt64LE(magic);

/** Whether a record begins here, of which less than its magic number may be there. */
function isStart(log: Buffer, at: number): boolean {
  const there = log.subarray(at, at + 8);
  return there.equals(magicBytes.subarray(0, there.length));
}

function nextRecord(log: Buffer, from: number): number {
  for (let at = log.indexOf(magicBytes, from); at >= 0; at = log.indexOf(magicBytes, at + 1)) {
    if (isRecord(log, at)) return at;
  }
  return log.length;
}

function recordAt(log: Buffer, at: number): LogRecord {
  const pid = log.readUInt32LE(at + 12);
  const start = at + headerBytes;
  return {
    kind: kinds[log.readUInt32LE(at + 8) - 1] as LogRecord['kind'],
    change: `${pid}:${log.readUInt32LE(at + 16)}`,
    inode: Number(log.readBigUInt64LE(at + 24)),
    offset: Number(log.readBigUInt64LE(at + 32)),
    error: log.readUInt32LE(at + 40),
    data: log.subarray(start, start + log.readUInt32LE(at + 20)),
  };
}
