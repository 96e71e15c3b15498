// The Debian systems that the images stand on, made by debootstrap: no image registry is asked.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, succeeds } from '../setup/process.mjs';

/** What each one carries beside the minimum. Valkey is not in bookworm, Redis not in trixie. */
const packages = {
  bookworm: [
    ...['openjdk-17-jre-headless', 'redis-server'],
    ...['krb5-kdc', 'krb5-admin-server', 'krb5-user'],
  ],
  trixie: ['valkey-server'],
};

const here = fileURLToPath(import.meta.url);

/** The image's name; it changes with this file. */
export function baseImage(suite) {
  const hash = createHash('sha256').update(readFileSync(here)).digest('hex').slice(0, 12);
  return `outbox-relay/base-${suite}:local-${hash}`;
}

/** @returns {Promise<string>} the image's name */
export async function buildBase({ suite, workFolder, note }) {
  const image = baseImage(suite);
  if (await succeeds('docker', ['image', 'inspect', image])) return image;
  const folder = join(workFolder, `base-${suite}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(workFolder, { recursive: true });
  note(`debootstrap ${suite}`);
  const options = ['--variant=minbase', `--include=${packages[suite].join(',')}`];
  await run('debootstrap', [...options, suite, folder], { onLine: (line) => note(line) });
  for (const waste of ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man']) {
    rmSync(join(folder, waste), { recursive: true, force: true });
  }
  note('docker import');
  await run('sh', ['-c', `tar -C '${folder}' -c . | docker import - '${image}'`]);
  rmSync(folder, { recursive: true, force: true });
  return image;
}
