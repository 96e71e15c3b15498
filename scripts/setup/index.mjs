// The set-up: each step is looked for first and done only when its result is not there.

import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { compiler } from './compiler.mjs';
import { installPolicy } from './decide.mjs';
import { dependencies } from './dependencies.mjs';
import { engine } from './engine.mjs';
import { images } from './images.mjs';
import { kerberos } from './kerberos.mjs';
import { canInstallPackages } from './packages.mjs';
import { createProgress } from './progress.mjs';
import { python } from './python.mjs';
import { toolchain } from './toolchain.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Steps in order; those of one group do not need each other and run side by side. */
const groups = [[toolchain], [dependencies, engine], [images], [kerberos], [python], [compiler]];
const names = new Map([
  ['toolchain', toolchain],
  ['dependencies', dependencies],
  ['engine', engine],
  ['images', images],
  ['kerberos', kerberos],
  ['python', python],
  ['compiler', compiler],
]);

/**
 * Makes sure that the named steps' results are there.
 * @param {{ only?: string[], quiet?: boolean }} options `only`: keys of `names`. Default: all
 * @returns {Promise<{ node: string, env: Record<string, string> }>} the Node to run things with,
 *   and the image names
 */
export async function ensureSetup({ only = [...names.keys()], quiet = false } = {}) {
  const chosen = new Set(only.map((name) => names.get(name)));
  const context = { root, env: process.env, node: process.execPath, found: {} };
  const progress = createProgress(process.stderr, { quiet });
  try {
    const policy = installPolicy({ env: process.env, isTty: process.stdin.isTTY === true });
    if (policy === 'refuse') await refuseWhenIncomplete(chosen, context);
    if (policy === 'ask') await askForPackages(chosen, context, progress);
    for (const group of groups) {
      const steps = group.filter((step) => chosen.has(step));
      const results = await Promise.allSettled(
        steps.map((step) => ensure(step, context, progress)),
      );
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
    }
  } finally {
    progress.close();
  }
  return { node: context.node, env: context.found.images ?? {} };
}

async function ensure(step, context, progress) {
  const row = progress.step(step.name);
  try {
    let found = await step.find(context);
    const state = found ? 'skipped' : 'done';
    if (!found) {
      await step.install({ ...context, note: row.note });
      found = await step.find(context);
      if (!found) throw new Error(`${step.name}: installed, and still not found`);
    }
    if (found.node) context.node = found.node;
    if (found.images) context.found.images = { ...context.found.images, ...found.images };
    row.end(state, found.note);
  } catch (error) {
    row.end('failed');
    throw error;
  }
}

/** OUTBOX_RELAY_NO_INSTALL=1: says everything that is missing at once. */
async function refuseWhenIncomplete(chosen, context) {
  const missing = [];
  for (const step of groups.flat().filter((one) => chosen.has(one))) {
    const found = await step.find(context).catch(() => null); // e.g. no docker command: missing
    if (!found) missing.push(step.missing);
    else if (found.node) context.node = found.node;
  }
  if (missing.length === 0) return;
  throw new Error(
    `OUTBOX_RELAY_NO_INSTALL=1, and missing:\n${missing.map((one) => `  - ${one}`).join('\n')}`,
  );
}

async function askForPackages(chosen, context, progress) {
  if (!canInstallPackages()) return;
  const wanted = [];
  for (const step of [engine, images, kerberos, python, compiler].filter((one) =>
    chosen.has(one),
  )) {
    const found = await step.find(context).catch(() => null); // what is not found is asked for
    if (!found) wanted.push(...(await step.packages()));
  }
  if (wanted.length === 0) return;
  progress.release();
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const question = `Install these Debian packages: ${wanted.join(' ')}? [Y/n] `;
  const answer = (await terminal.question(question)).trim().toLowerCase();
  terminal.close();
  if (answer !== '' && !answer.startsWith('y')) throw new Error('Nothing was installed.');
}
