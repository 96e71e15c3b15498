/** Looks for faults in a file by its path: read-only, beside whoever uses it. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { FileNotFoundError, FileUnusableError, OutboxRelayError } from '../../core/errors.ts';
import type { Fault, Progress } from '../integrity.ts';
import { checkVersion, refuseNetworkFile } from '../sqlite/checks.ts';
import { loadDatabaseConstructor } from '../sqlite/database.ts';
import { isUnreadable, toOutboxError } from '../sqlite/failures.ts';
import { openToLook } from '../sqlite/look.ts';
import { findFaults } from './faults.ts';
import { lostCommits } from './lost-commits.ts';

/** Only who opens or closes the file alone keeps a reader waiting. */
const waitMs = 2_000;

/**
 * @throws FILE_NOT_FOUND, FILE_UNUSABLE for what is no file, FILE_ON_NETWORK, SQLITE_TOO_OLD,
 *   SQLITE_SECOND_COPY, OUTBOX_BUSY, OUTBOX_IO
 */
export function lookForFaults(path: string, onProgress: Progress): Fault[] {
  if (!existsSync(path)) throw new FileNotFoundError(`${path} does not exist`);
  if (!statSync(path).isFile()) throw new FileUnusableError(`${path} is no regular file`);
  refuseNetworkFile(path);
  const Constructor = loadDatabaseConstructor();
  try {
    const lost = lostCommits(realpathSync(path));
    if (lost !== null) return [{ code: 'file.integrity', count: 1, examples: [lost] }];
    const db = openToLook(Constructor, path, waitMs);
    try {
      checkVersion(db);
      return findFaults(db, Constructor, onProgress);
    } finally {
      db.close();
    }
  } catch (error) {
    const known = error instanceof OutboxRelayError && error.code === 'FILE_DAMAGED';
    if (!known && !isUnreadable(error)) throw toOutboxError(error, `checking ${path}`);
    return [{ code: 'file.integrity', count: 1, examples: [(error as Error).message] }];
  }
}
