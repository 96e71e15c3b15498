// System packages, on Debian and as root only. One question and one apt run for all of them.
import { existsSync } from 'node:fs';
import { run } from './process.mjs';

export function canInstallPackages() {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version');
}

let updated = false;

export async function installPackages(names, note) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  if (!updated) {
    note('apt-get update');
    await run('apt-get', ['update', '-qq'], { env });
    updated = true;
  }
  note(`apt-get install ${names.join(' ')}`);
  const flags = ['-qq', '--yes', '--no-install-recommends'];
  await run('apt-get', ['install', ...flags, ...names], { env });
}
