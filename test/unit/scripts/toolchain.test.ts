/** A Node that is too old gets another one, from npm and into the checkout. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodePackage } from '../../../scripts/setup/decide.mjs';
import { toolchain } from '../../../scripts/setup/toolchain.mjs';

const path = process.env['PATH'];
const { name, program } = nodePackage(process);
let root: string;

/** An npm that writes down what it is asked for and installs a Node that tells its version. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'outbox-toolchain-'));
  const node = join(root, '.toolchain', 'node_modules', name, ...program);
  const script = `#!/bin/sh
echo "$@" > '${root}/asked'
mkdir -p "$(dirname '${node}')"
printf '#!/bin/sh\\necho v24.1.0\\n' > '${node}'
chmod +x '${node}'
`;
  writeFileSync(join(root, 'npm'), script);
  chmodSync(join(root, 'npm'), 0o755);
  process.env['PATH'] = [root, path].join(delimiter);
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(root, { recursive: true });
});

it.skipIf(process.platform === 'win32')(
  'is fetched once, when the running one is old',
  async () => {
    const old = { root, running: '18.20.1' };
    expect(await toolchain.find(old)).toBeNull();
    await toolchain.install({ root, note: () => {} });
    expect(readFileSync(join(root, 'asked'), 'utf8')).toContain(`${name}@24`);
    expect(await toolchain.find(old)).toMatchObject({
      node: join(root, '.toolchain', 'node_modules', name, ...program),
      note: 'v24.1.0',
    });
    expect(await toolchain.find({ root, running: '22.22.0' })).toMatchObject({
      node: process.execPath,
    });
  },
);
