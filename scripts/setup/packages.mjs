// System packages, on Debian only. One question and one apt run for all of them.
import { existsSync } from 'node:fs';
import { run, succeeds } from './process.mjs';

const isRoot = () => process.getuid?.() === 0;
const isDebian = () => existsSync('/etc/debian_version');

export function canInstallPackages() {
  return isRoot() && isDebian();
}

const frontend = 'DEBIAN_FRONTEND=noninteractive';

/**
 * What runs apt-get: nothing for root, sudo on a CI machine that asks for no password, where
 * nobody's own machine is changed. `null`: nobody may.
 */
export async function installerOf(env) {
  if (canInstallPackages()) return ['env', frontend];
  if (env.CI !== 'true' || !isDebian()) return null;
  const may = await succeeds('sudo', ['-n', 'true']);
  return may ? ['sudo', '-n', 'env', frontend] : null;
}

let updated = false;

export async function installPackages(names, note) {
  const [command, ...prefix] = (await installerOf(process.env)) ?? ['env', frontend];
  const aptGet = (...args) => run(command, [...prefix, 'apt-get', ...args]);
  if (!updated) {
    note('apt-get update');
    await aptGet('update', '-qq');
    updated = true;
  }
  note(`apt-get install ${names.join(' ')}`);
  await aptGet('install', '-qq', '--yes', '--no-install-recommends', ...names);
}
