// node_modules as the lockfile says. A stamp of the lockfile's hash tells whether it is up to date.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { runNpm } from './process.mjs';

export const dependencies = {
  name: 'npm packages',
  missing: 'node_modules as in package-lock.json (npm ci)',

  async find({ root }) {
    return isInstalled(root) ? { note: 'as in package-lock.json' } : null;
  },

  async install({ root, node, note }) {
    note('npm ci');
    await installLocked({ folder: root, node });
  },
};

/** Whether a folder has the node_modules of its package-lock.json. */
export function isInstalled(folder) {
  const file = stamp(folder);
  return existsSync(file) && readFileSync(file, 'utf8') === lockfileHash(folder);
}

/** `npm ci` in a folder, under that Node. */
export async function installLocked({ folder, node }) {
  const path = [dirname(node), process.env.PATH].join(delimiter);
  // Install scripts fetch or compile; the one whose result is needed is run by kerberos.mjs.
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  await runNpm(['ci', ...flags], { cwd: folder, env: { PATH: path } });
  writeFileSync(stamp(folder), lockfileHash(folder));
}

const stamp = (folder) => join(folder, 'node_modules', '.outbox-relay-lockfile');

function lockfileHash(folder) {
  return createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
}
