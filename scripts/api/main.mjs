// `npm run docs:api [-- --out DIR]`: the API reference as HTML, in .api unless told otherwise.
// typedoc and the TypeScript that it needs are installed here, beside nobody else's.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installLocked, isInstalled } from '../setup/dependencies.mjs';

const here = dirname(fileURLToPath(import.meta.url));

if (!isInstalled(here)) await installLocked({ folder: here, node: process.execPath });
const typedoc = join(here, 'node_modules', 'typedoc', 'bin', 'typedoc');
const args = [typedoc, '--options', join(here, 'typedoc.json'), ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exitCode = status ?? 1;
