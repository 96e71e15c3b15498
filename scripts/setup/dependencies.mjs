// node_modules as the lockfile says. A stamp of the lockfile's hash tells whether it is up to date.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { run } from './process.mjs';

export const dependencies = {
  name: 'npm packages',
  missing: 'node_modules as in package-lock.json (npm ci)',

  async find({ root }) {
    const stamp = join(root, 'node_modules', '.outbox-relay-lockfile');
    if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lockfileHash(root)) return null;
    return { note: 'as in package-lock.json' };
  },

  async install({ root, node, note }) {
    note('npm ci');
    const path = [dirname(node), process.env.PATH].join(delimiter);
    // Install scripts fetch or compile; the one whose result is needed is in kerberos.mjs.
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['ci', ...flags], { cwd: root, env: { PATH: path } });
    writeFileSync(join(root, 'node_modules', '.outbox-relay-lockfile'), lockfileHash(root));
  },
};

function lockfileHash(root) {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}
