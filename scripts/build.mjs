// `npm run build`: dist/ from src/, with the command line executable.
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup/index.mjs';
import { run } from './setup/process.mjs';

rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
await run(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { cwd: root });
chmodSync(join(root, 'dist', 'cli', 'main.js'), 0o755);
