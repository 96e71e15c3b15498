/** A disk that is really full, in the ways in which one becomes it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { onSmallDisk } from '../support/small-disk.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-full-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function run<Facts>(scenario: string, mebibytes: number): Facts {
  const file = 'test/support/full-disk-child.ts';
  return onSmallDisk({ folder, mebibytes, file, args: [scenario] }) as Facts;
}

const mib = 1_024 ** 2;

describe('a full disk', () => {
  it('refuses at the door, and delivers and deletes what was accepted', () => {
    const facts = run<{ accepted: number; delivered: number }>('drain', 96);
    expect(facts).toMatchObject({ code: 'OUTBOX_FULL', free: 0, reserveAtStart: true });
    expect(facts.accepted).toBeGreaterThan(500);
    expect(facts).toMatchObject({ reserveWhenFull: false }); // it was needed
    expect(facts.delivered).toBe(facts.accepted + 1);
  });

  it('is not come near by a burst between two looks at it', () => {
    const facts = run<{ accepted: number; free: number }>('burst', 96);
    expect(facts).toMatchObject({ bound: 'freeDiskBytes' });
    expect(facts.accepted).toBeGreaterThan(500);
    expect(facts.free).toBeGreaterThan(31 * mib);
  });

  it('lets a relay start, which a writer may not do with the room that is kept', () => {
    expect(run('restart', 96)).toEqual({
      free: 0,
      writer: 'OUTBOX_FULL',
      reserveAfterWriter: true,
      reserveAfterRelay: false,
      delivered: 50,
    });
  });

  it('lets an operator act without a relay', () => {
    const done = { free: 0, audited: 1, reserve: false };
    expect(run('operate', 96)).toMatchObject(done);
  });

  it('is known where SQLite calls it an I/O error', () => {
    const facts = run<{ frames: number }>('indexEdge', 96);
    expect(facts).toMatchObject({ shmBytes: 32_768, grown: true, reserve: false });
    expect(facts.frames).toBeLessThanOrEqual(4_063);
  });

  it('is not made by a slow reader: what the log has yet to copy is kept free', () => {
    const facts = run<{ accepted: number; [name: string]: unknown }>('slowReader', 128);
    expect(facts).toMatchObject({ code: 'OUTBOX_FULL', bound: 'freeDiskBytes' });
    expect(facts['walWithReader']).toBeGreaterThan(30 * mib);
    // The bound's 16 MiB, and room for the events, of which the log has copied hardly any.
    expect(facts['freeWithReader']).toBeGreaterThan(15 * mib + facts.accepted * 50_000);
    expect(facts['delivered']).toBe(facts.accepted + 1);
  });
});
