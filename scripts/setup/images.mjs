// The Kafka and Redis images: named by the caller, known from last time, pulled, or built here.
// What the caller names holds for this run and is not written down.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { localImage, packagesForBuild } from '../images/build.mjs';
import { isPresent, provideImage, providePulled } from '../images/provide.mjs';
import { imageName, isOutdated, mergeEnv, parseEnv } from './decide.mjs';

const wanted = [
  { key: 'KAFKA_IMAGE', recipe: 'kafka', version: '4.3.1', official: 'apache/kafka:4.3.1' },
  { key: 'REDIS_IMAGE', recipe: 'redis', official: 'redis:7.4' },
];

export const images = {
  name: 'Kafka and Redis images',
  missing: 'images for Kafka and Redis (KAFKA_IMAGE and REDIS_IMAGE, or a registry)',

  async find({ root, env }) {
    const recorded = readRecord(root);
    const found = {};
    for (const { key, ...image } of wanted) {
      const known = isOutdated(recorded[key], localImage(image)) ? undefined : recorded[key];
      const name = imageName({ wanted: env[key], recorded: known });
      if (name === null || !(await isPresent(name))) return null;
      found[key] = name;
    }
    return { images: found, note: Object.values(found).join(', ') };
  },

  packages: () => packagesForBuild(),

  async install({ root, env, note }) {
    const found = {};
    // Who was asked about packages has agreed by now.
    const how = { workFolder: join(root, '.images'), mayInstall: true, note };
    for (const { key, ...image } of wanted) {
      if (env[key]) await providePulled(env[key], note);
      else found[key] = await provideImage(image, how);
    }
    record(root, found);
  },
};

const recordFile = (root) => join(root, '.env');

function readRecord(root) {
  return existsSync(recordFile(root)) ? parseEnv(readFileSync(recordFile(root), 'utf8')) : {};
}

export function record(root, found) {
  const text = existsSync(recordFile(root)) ? readFileSync(recordFile(root), 'utf8') : '';
  const merged = mergeEnv(text, found);
  if (merged !== text) writeFileSync(recordFile(root), merged);
}
