/** What a disk may hold after a power cut: the model that the other tests of this folder trust. */
import { describe, expect, it } from 'vitest';
import { choicesOf } from '../support/power/choices.ts';
import { Disk } from '../support/power/disk.ts';
import { noCounts } from '../support/power/disk-file.ts';
import { type LogRecord, readLog } from '../support/power/log.ts';
import { Random } from '../support/random.ts';

let count = 0;
const record = (kind: LogRecord['kind'], facts: Partial<LogRecord> = {}): LogRecord => {
  count += 1;
  return { kind, change: `1:${count}`, inode: 7, offset: 0, error: 0, data: empty, ...facts };
};
const empty = Buffer.alloc(0);
const text = (name: string) => Buffer.from(name);

/** Each with its end. */
function whole(kind: LogRecord['kind'], facts: Partial<LogRecord> = {}): LogRecord[] {
  const { error = 0, ...begun } = facts;
  const first = record(kind, begun);
  const end = kind === 'sync' ? 'synced' : 'done';
  return [first, record(end, { change: first.change, error })];
}
const write = (at: number, data: string) => whole('write', { offset: at, data: text(data) });
const sync = (error = 0) => whole('sync', { error });
const opened = record('opened', { data: text('a') });

function diskOf(before: Record<string, string>, records: readonly LogRecord[]): Disk {
  const files = Object.entries(before).map(([name, bytes]) => [name, text(bytes)] as const);
  const disk = new Disk(new Map(files));
  for (const one of records) disk.take(one);
  return disk;
}

/** All states of the file `a` that many cuts leave; `null`: it is not there. */
function states(before: Record<string, string>, records: readonly LogRecord[]) {
  const found = new Set<string | null>();
  for (let seed = 0; seed < 300; seed += 1) {
    const cut = { random: new Random(seed), sectorBytes: 4, keeps: 0.5, counts: () => true };
    found.add(diskOf(before, records).cut(cut).files.get('a')?.toString() ?? null);
  }
  return [...found].toSorted();
}

describe('after a power cut', () => {
  it('what was synced is there', () => {
    expect(states({ a: 'oldoldol' }, [opened, ...write(0, 'new'), ...sync()])).toEqual([
      'newoldol',
    ]);
  });

  it('each sector of what was not is new, old, or torn', () => {
    const found = states({ a: 'aaaabbbb' }, [opened, ...write(0, 'XXXXYYYY')]);
    expect(found).toEqual(expect.arrayContaining(['aaaabbbb', 'XXXXYYYY', 'XXXXbbbb', 'aaaaYYYY']));
    expect(found).toContain('XXaabbbb');
    expect(found.every((state) => /^X*a*Y*b*$/.test(state ?? ''))).toBe(true);
  });

  it('a sector written twice may have the state in between', () => {
    const twice = [opened, ...write(0, '1111'), ...write(0, '2222')];
    expect(states({ a: '0000' }, twice)).toEqual(
      expect.arrayContaining(['0000', '1111', '2222', '2211']),
    );
  });

  it('a sync promises nothing of a write that was not made before it began', () => {
    const [begun, end] = write(0, 'new') as [LogRecord, LogRecord];
    const [start, stop] = sync() as [LogRecord, LogRecord];
    expect(states({ a: 'old' }, [opened, begun, start, end, stop])).toContain('old');
    expect(states({ a: 'old' }, [opened, start, begun, end, stop])).toContain('old');
    expect(states({ a: 'old' }, [opened, begun, end, start])).toContain('old');
  });

  it('what another has synced since is above the write in which a process died', () => {
    const [begun] = write(0, 'dead') as [LogRecord, LogRecord];
    expect(states({ a: 'old ' }, [opened, begun, ...write(0, 'new '), ...sync()])).toEqual([
      'new ',
    ]);
    expect(states({ a: 'old ' }, [opened, begun])).toContain('dead');
  });

  it('what a failed sync should have kept is not kept by the next one, until written again', () => {
    const failed = [opened, ...write(0, 'new'), ...sync(5), ...sync()];
    expect(states({ a: 'old' }, failed)).toContain('old');
    expect(states({ a: 'old' }, [...failed, ...write(0, 'new'), ...sync()])).toEqual(['new']);
  });

  it('a length comes before or after, in order with other lengths', () => {
    const cutShort = whole('truncate', { offset: 2 });
    const longer = whole('truncate', { offset: 6 });
    expect(states({ a: 'abcd' }, [opened, ...cutShort, ...longer])).toEqual([
      'ab',
      'ab\0\0\0\0',
      'abcd',
    ]);
    expect(states({ a: 'abcd' }, [opened, ...cutShort, ...sync()])).toEqual(['ab']);
    const failed = [opened, ...cutShort, ...sync(5), ...longer, ...sync()];
    expect(states({ a: 'abcd' }, failed)).toEqual(['ab\0\0\0\0']);
  });

  it('a new file is there for sure when the folder was synced, not before', () => {
    const made = [
      record('opened', { data: empty, inode: 1 }),
      record('opened', { data: text('a'), offset: 1 }),
      ...write(0, 'new'),
      ...sync(),
    ];
    expect(states({}, made)).toEqual(['new', null]);
    expect(states({}, [...made, ...whole('sync', { inode: 1 })])).toEqual(['new']);
  });

  it('a removed one may be back', () => {
    const removed = whole('unlink', { data: text('a') });
    expect(states({ a: 'old' }, [opened, ...removed])).toEqual([null, 'old']);
    const failed = whole('unlink', { data: text('a'), error: 13 });
    expect(states({ a: 'old' }, [opened, ...failed])).toEqual(['old']);
  });
});

describe('what a cut counts', () => {
  const [begun] = write(0, 'YYYY') as [LogRecord, LogRecord];
  const countsOf = (records: readonly LogRecord[], { seed = 1, keeps = 0.5, of = 'a' } = {}) => {
    const cut = { random: new Random(seed), sectorBytes: 4, keeps };
    const disk = diskOf({ a: 'aaaabbbb' }, [opened, ...records]);
    return disk.cut({ ...cut, counts: (name) => name === of }).counts;
  };

  it('is what was made and not synced; not the write before which the process was killed', () => {
    expect(countsOf([begun])).toEqual({ ...noCounts, undoneWrites: 1 });
    const after = countsOf([...write(0, 'XXXX'), ...sync(), begun]);
    expect(after).toEqual({ ...noCounts, undoneWrites: 1 });
    expect(countsOf([...write(4, 'XXXX'), begun], { keeps: 1 })).toEqual({
      ...noCounts,
      ...{ unsyncedWrites: 1, undoneWrites: 1, kept: 1 },
    });
    expect(countsOf([...write(0, 'XXXX'), ...sync()])).toEqual(noCounts);
    expect(countsOf(whole('truncate', { offset: 2 }))).toMatchObject({ unsyncedWrites: 1 });
  });

  it('is nothing of a file that is not asked for', () => {
    expect(countsOf([...write(0, 'XXXX'), begun], { of: 'b' })).toEqual(noCounts);
  });

  it('a sector is dropped or torn when what was made last there is not whole', () => {
    for (let seed = 0; seed < 100; seed += 1) {
      const { kept, dropped, torn } = countsOf([...write(0, 'XXXX'), begun], { seed });
      expect(kept + dropped + torn).toBe(1);
    }
    for (let seed = 0; seed < 100; seed += 1) {
      expect(countsOf([begun], { seed })).toEqual({ ...noCounts, undoneWrites: 1 });
    }
  });
});

describe('the choices of a cut', () => {
  it('are those of its seed and number, whatever was before', () => {
    const of = (seed: number) => Array.from({ length: 20 }, (_, cut) => choicesOf(seed, cut));
    expect(of(7)).toEqual(of(7));
    expect(new Set([...of(7), ...of(8)].map((one) => JSON.stringify(one))).size).toBe(40);
  });

  it('wait for no sync of a writer that makes none', () => {
    const all = Array.from({ length: 50 }, (_, cut) => choicesOf(1, cut, { syncs: false }));
    const waits = all.filter(({ order }) => order?.what === 'cutSync');
    expect(new Set(waits.map(({ dies }) => dies))).toEqual(new Set(['relay']));
  });
});

describe('what really is in the folder', () => {
  const disk = new Disk(new Map([['a', text('old')]]));
  for (const one of [opened, ...write(0, 'new')]) disk.take(one);
  disk.take(record('write', { offset: 1, data: text('??') }));

  it('may differ from the log only in a change that was under way', () => {
    expect(disk.compare(new Map([['a', text('new')]]))).toEqual([]);
    expect(disk.compare(new Map([['a', text('n??')]]))).toEqual([]);
    expect(disk.compare(new Map([['a', text('old')]]))).toEqual([
      { name: 'a', what: 'has other bytes' },
    ]);
    expect(disk.compare(new Map())).toEqual([{ name: 'a', what: 'is not there' }]);
    const more = new Map([
      ['a', text('new')],
      ['b', text('b')],
    ]);
    expect(disk.compare(more)).toEqual([{ name: 'b', what: 'should not be there' }]);
  });
});

describe('the log', () => {
  const header = (length: number) => {
    const bytes = Buffer.alloc(48);
    bytes.writeBigUInt64LE(0xd15cf1a65ec70a11n);
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(length, 20);
    return bytes;
  };
  const entry = (data: string) => Buffer.concat([header(data.length), text(data)]);
  const dataOf = (log: Buffer) => readLog(log).map(({ data }) => data.toString());

  it('leaves out what a killed process wrote half of, wherever that is', () => {
    const half = entry('half').subarray(0, 50);
    expect(dataOf(Buffer.concat([entry('1'), half, entry('2'), half]))).toEqual(['1', '2']);
    const start = entry('half').subarray(0, 20);
    expect(dataOf(Buffer.concat([start, entry('1'), start.subarray(0, 3)]))).toEqual(['1']);
  });

  it('is refused where it is nothing at all', () => {
    expect(() => readLog(Buffer.concat([entry('1'), text('noise')]))).toThrow(
      'not understood at 49',
    );
  });
});
