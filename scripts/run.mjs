// `node scripts/run.mjs NAME [ARGS]`: sets up what NAME needs, then runs it under the right Node.
// Plain JavaScript for Node 18: it runs before the toolchain exists.
import { spawn } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { ensureSetup, root } from './setup/index.mjs';
import { portable } from './test/without-services.mjs';

const basic = ['toolchain', 'dependencies'];
const all = [...basic, 'engine', 'images'];
const withPython = [...all, 'python'];
const forTests = [...all, 'kerberos', 'python', 'compiler'];
const bin = (...parts) => join(root, 'node_modules', ...parts);
const tsc = bin('typescript', 'bin', 'tsc');
const biome = bin('@biomejs', 'biome', 'bin', 'biome');
const vitest = bin('vitest', 'vitest.mjs');

/** kafkajs arms timers with negative delays (tulios/kafkajs#1751). */
const quiet = '--disable-warning=TimeoutNegativeWarning';

/** What each name needs and the commands it runs, in order; the last one gets the arguments. */
const tasks = {
  cli: { needs: basic, steps: [[join(root, 'src', 'cli', 'main.ts')]] },
  demo: { needs: all, steps: [[join(root, 'scripts', 'demo', 'main.ts')]] },
  test: { needs: forTests, steps: [[join(root, 'scripts', 'test', 'main.ts')]] },
  'test:unit': { needs: basic, steps: [[vitest, 'run', '--project', 'unit']] },
  'test:portable': {
    needs: basic,
    // What needs neither Linux nor Docker: network.test.ts replaces Linux's own mount table.
    steps: [
      [vitest, 'run', '--project', 'unit', '--exclude', 'test/unit/outbox/network.test.ts'],
      [vitest, 'run', '--project', 'contract', '--project', 'integration', ...portable],
    ],
  },
  // Its images are its own: another row may be there when one cannot be had.
  'test:versions': {
    needs: [...basic, 'engine', 'kerberos'],
    steps: [[join(root, 'scripts', 'test', 'versions', 'main.ts')]],
  },
  'test:fault': {
    needs: forTests,
    steps: [[join(root, 'scripts', 'test', 'fault', 'main.ts')]],
  },
  bench: { needs: all, steps: [[join(root, 'scripts', 'bench', 'main.ts')]] },
  'rasa:compare': {
    needs: withPython,
    steps: [[quiet, join(root, 'scripts', 'rasa-compare', 'main.ts')]],
  },
  check: {
    needs: basic,
    steps: [
      [tsc, '--noEmit'],
      [biome, 'check', '.'],
      [vitest, 'run', '--project', 'tidy'],
    ],
  },
  build: { needs: basic, steps: [[join(root, 'scripts', 'build.mjs')]] },
  format: { needs: basic, steps: [[biome, 'check', '--write', '.']] },
  'docs:api': { needs: basic, steps: [[join(root, 'scripts', 'api', 'main.mjs')]] },
  'release:version': { needs: basic, steps: [[join(root, 'scripts', 'release', 'version.ts')]] },
  docs: { needs: basic, steps: [[join(root, 'scripts', 'docs', 'configuration.ts')]] },
};

async function main([name, ...args]) {
  const task = tasks[name];
  if (task === undefined) {
    process.stderr.write(`usage: node scripts/run.mjs ${Object.keys(tasks).join('|')} [ARGS]\n`);
    return 2;
  }
  // What is set up already is not worth a line where only the command's own output is wanted.
  const { node, env } = await ensureSetup({ only: task.needs, quiet: task.needs === basic });
  const path = [dirname(node), process.env.PATH].join(delimiter);
  for (const [index, step] of task.steps.entries()) {
    const last = index === task.steps.length - 1;
    const code = await run(node, last ? [...step, ...args] : step, { ...env, PATH: path });
    if (code !== 0) return code;
  }
  return 0;
}

/** Signals reach the child: from a terminal by themselves, from elsewhere through this. */
function run(node, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    const forward = (signal) => child.kill(signal);
    const onInterrupt = () => {}; // the terminal has sent it to the child too
    process.on('SIGTERM', forward);
    process.on('SIGINT', onInterrupt);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      process.off('SIGTERM', forward);
      process.off('SIGINT', onInterrupt);
      resolve(code ?? 128 + (signal === 'SIGINT' ? 2 : 15));
    });
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`\n${error.message}\n`);
  process.exitCode = 1;
}
