/** The input of `publish`: a file, or stdin. */
import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  fstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReadStream } from 'node:tty';
import { OutboxFullError, OutboxIoError, UsageError } from '../core/errors.ts';

/** @throws USAGE when the file cannot be read, or was left out and nobody has given a stdin */
export function chooseInput(file: string | undefined): string {
  if (file !== undefined) {
    if (file !== '-') checkReadable(file);
    return file;
  }
  if (stdinIsGiven()) return '-';
  throw new UsageError('no FILE was given and nothing is piped into stdin');
}

/** A terminal or /dev/null is not an input that anybody meant; `-` says that it is. */
function stdinIsGiven(): boolean {
  if (process.stdin instanceof ReadStream) return false;
  try {
    return !fstatSync(0).isCharacterDevice();
  } catch {
    return false; // closed
  }
}

/** Asked before an outbox is made for it; opening a named pipe would take its bytes. */
function checkReadable(path: string): void {
  let folder: boolean;
  try {
    accessSync(path, constants.R_OK);
    folder = statSync(path).isDirectory();
  } catch (error) {
    throw unreadable(path, error);
  }
  if (folder) throw new UsageError(`cannot read ${path}: it is a folder`);
}

function openInput(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Error {
  return new UsageError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
}

/** Reads as bytes come. @throws USAGE when the file cannot be read */
export function streamInput(input: string): Readable {
  if (input === '-') return process.stdin;
  return createReadStream('', { fd: openInput(input) });
}

/**
 * An open file that can be read twice: the input itself when it is a regular file, otherwise its
 * copy in a temporary file, so that memory stays bounded. The copy has no name any more when this
 * returns: however the process ends, nothing is left behind.
 * @throws USAGE, OUTBOX_FULL, OUTBOX_IO
 */
export async function spoolInput(input: string): Promise<number> {
  if (input !== '-') {
    const file = openInput(input);
    if (fstatSync(file).isFile()) return file;
    return copy(createReadStream('', { fd: file }));
  }
  return copy(process.stdin);
}

async function copy(source: Readable): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-'));
  let spool: number | null = null;
  try {
    spool = openSync(join(folder, 'input'), 'wx+', 0o600);
    rmSync(folder, { recursive: true });
    await pipeline(source, createWriteStream('', { fd: spool, autoClose: false }));
    return spool;
  } catch (error) {
    if (spool !== null) closeSync(spool);
    rmSync(folder, { recursive: true, force: true });
    const message = `keeping the input in ${tmpdir()}: ${(error as Error).message}`;
    const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new (full ? OutboxFullError : OutboxIoError)(message, { cause: error });
  }
}
