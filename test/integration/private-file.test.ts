/** Who may read a new outbox file. */
import { chmodSync, existsSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openOutbox } from '../../src/index.ts';
import { CommandLine } from '../support/cli.ts';
import { Scene } from '../support/scene.ts';

let scene: Scene;
let umask: number;
beforeEach(() => {
  scene = new Scene();
  umask = process.umask(0o022); // the usual one, by which others may read
});
afterEach(async () => {
  process.umask(umask);
  await scene.close();
});

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

it('a new outbox and its side files are for their owner alone', () => {
  scene.enqueue(1);
  const modes = ['', '-wal', '-shm'].map((suffix) => modeOf(`${scene.db}${suffix}`));
  expect(modes).toEqual(['600', '600', '600']);
  expect(readdirSync(scene.folder).toSorted()).toEqual([
    'outbox.db',
    'outbox.db-shm',
    'outbox.db-wal',
  ]);
});

it('the relay and the command line make it so too', async () => {
  const relay = scene.relay('127.0.0.1:1');
  await relay.start();
  expect(modeOf(scene.db)).toBe('600');
  const cli = new CommandLine();
  try {
    await cli.run(['migrate', '--db', cli.db]);
    expect(modeOf(cli.db)).toBe('600');
  } finally {
    await cli.close();
  }
});

it('a file that is there keeps its mode and what is in it', async () => {
  scene.enqueue(3);
  await scene.outbox.close();
  chmodSync(scene.db, 0o640);
  const again = openOutbox({ path: scene.db });
  again.enqueue({ topic: 't', value: 'v' });
  expect(['', '-wal'].map((suffix) => modeOf(`${scene.db}${suffix}`))).toEqual(['640', '640']);
  await again.close();
  const empty = join(scene.folder, 'empty.db');
  writeFileSync(empty, '', { mode: 0o644 });
  await openOutbox({ path: empty }).close();
  expect(modeOf(empty)).toBe('644');
});

it('a link that leads nowhere yet is followed', async () => {
  const target = join(scene.folder, 'target.db');
  const link = join(scene.folder, 'link.db');
  symlinkSync(target, link);
  await openOutbox({ path: link }).close();
  expect(existsSync(target)).toBe(true);
});
