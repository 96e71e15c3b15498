// A Node that the dependencies run on, from the npm registry, when the current one is older.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { nodeIsRecent, nodePackage } from './decide.mjs';
import { run, runNpm } from './process.mjs';

const major = 24;

export const toolchain = {
  name: 'Node toolchain',
  missing: 'Node 22.22 or later',

  async find({ root }) {
    if (nodeIsRecent(process.versions.node)) {
      return { node: process.execPath, note: `${process.version}, the running one` };
    }
    const { name, program } = nodePackage(process);
    const node = join(root, '.toolchain', 'node_modules', name, ...program);
    if (!existsSync(node)) return null;
    const version = (await run(node, ['--version'])).trim();
    return nodeIsRecent(version) ? { node, note: version } : null;
  },

  async install({ root, note }) {
    const { name } = nodePackage(process);
    note(`npm: ${name}@${major}`);
    const prefix = join(root, '.toolchain');
    const flags = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
    await runNpm(['install', '--prefix', prefix, ...flags, `${name}@${major}`]);
  },
};
