/** Images that the caller names: looked for, pulled, and never written down. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { images } from '../../../scripts/setup/images.mjs';

const path = process.env['PATH'];
let root: string;

/** A docker command that has the images whose names hold `there`, and can pull `far`. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'outbox-images-'));
  const script = `#!/bin/sh
echo "$@" >> ${root}/calls
case "$*" in
  "image inspect there"*) exit 0 ;;
  "image inspect far") test -e ${root}/pulled ;;
  "pull far") touch ${root}/pulled ;;
  *) exit 1 ;;
esac
`;
  writeFileSync(join(root, 'docker'), script);
  chmodSync(join(root, 'docker'), 0o755);
  process.env['PATH'] = [root, path].join(delimiter);
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(root, { recursive: true });
});

const note = () => {};
const named = (kafka: string) => ({ KAFKA_IMAGE: kafka, REDIS_IMAGE: 'there-redis' });

it('are used when they are there, and hold for this run only', async () => {
  const found = await images.find({ root, env: named('there-kafka') });
  expect(found?.images).toEqual(named('there-kafka'));
  expect(existsSync(join(root, '.env'))).toBe(false);
});

it('are pulled when they are not', async () => {
  const env = named('far');
  expect(await images.find({ root, env })).toBeNull();
  await images.install({ root, env, note });
  expect(readFileSync(join(root, 'calls'), 'utf8')).toContain('pull far');
  expect((await images.find({ root, env }))?.images).toEqual(env);
});

it('are told by name when they can be had nowhere', async () => {
  const installed = images.install({ root, env: named('nowhere'), note });
  await expect(installed).rejects.toThrow('the image nowhere is not on this machine');
});
