// The Kafka and Redis images: named by the caller, known from last time, pulled, or built here.
// What the caller names holds for this run and is not written down.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage, localImage, packagesForBuild } from '../images/build.mjs';
import { imageName, mergeEnv, parseEnv } from './decide.mjs';
import { installPackages } from './packages.mjs';
import { succeeds } from './process.mjs';

/** A pull that shows no progress for this long is given up. */
const pullIdleMs = 30_000;

const wanted = [
  { key: 'KAFKA_IMAGE', recipe: 'kafka', official: 'apache/kafka:4.3.1' },
  { key: 'REDIS_IMAGE', recipe: 'redis', official: 'redis:7.4' },
];

export const images = {
  name: 'Kafka and Redis images',
  missing: 'images for Kafka and Redis (KAFKA_IMAGE and REDIS_IMAGE, or a registry)',

  async find({ root, env }) {
    const recorded = readRecord(root);
    const found = {};
    for (const { key } of wanted) {
      const name = imageName({ wanted: env[key], recorded: recorded[key] });
      if (name === null || !(await isPresent(name))) return null;
      found[key] = name;
    }
    return { images: found, note: Object.values(found).join(', ') };
  },

  packages: () => packagesForBuild(),

  async install({ root, env, note }) {
    const found = {};
    for (const { key, recipe, official } of wanted) {
      if (env[key]) await provide(env[key], key, note);
      else if (await isPresent(official)) found[key] = official;
      else if (await pull(official, note)) found[key] = official;
      else found[key] = await build({ root, recipe, note });
    }
    record(root, found);
  },
};

async function provide(name, key, note) {
  if ((await isPresent(name)) || (await pull(name, note))) return;
  throw new Error(`${key}=${name} is not on this machine and cannot be pulled`);
}

async function build({ root, recipe, note }) {
  const name = await localImage(recipe);
  if (await isPresent(name)) return name;
  const packages = await packagesForBuild();
  if (packages.length > 0) await installPackages(packages, note);
  return buildImage({ recipe, workFolder: join(root, '.images'), note });
}

export async function pull(name, note) {
  note(`docker pull ${name}`);
  return succeeds('docker', ['pull', name], { idleMs: pullIdleMs });
}

export const isPresent = (name) => succeeds('docker', ['image', 'inspect', name]);

const recordFile = (root) => join(root, '.env');

function readRecord(root) {
  return existsSync(recordFile(root)) ? parseEnv(readFileSync(recordFile(root), 'utf8')) : {};
}

export function record(root, found) {
  const text = existsSync(recordFile(root)) ? readFileSync(recordFile(root), 'utf8') : '';
  const merged = mergeEnv(text, found);
  if (merged !== text) writeFileSync(recordFile(root), merged);
}
