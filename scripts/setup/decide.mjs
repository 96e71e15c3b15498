// Decisions of the set-up, without effects, so that they can be tested.
import { win32 } from 'node:path';

export const nodeMinimum = '22.22.0';

/** Negative, 0 or positive, as for sort; missing parts count as 0. */
export function compareVersions(left, right) {
  const parts = (version) => version.replace(/^v/, '').split('.').map(Number);
  const [a, b] = [parts(left), parts(right)];
  for (let index = 0; index < 3; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export const nodeIsRecent = (version) => compareVersions(version, nodeMinimum) >= 0;

/** npm's package of Node for a system, and where the program is in it. */
export function nodePackage({ platform, arch }) {
  const windows = platform === 'win32';
  const name = `node-${windows ? 'win' : platform}-${arch}`;
  return { name, program: ['bin', windows ? 'node.exe' : 'node'] };
}

/**
 * How npm is started. On Windows it is a batch file, which only a shell can run, and a shell would
 * take paths with blanks apart; so npm's own script is run there, by Node.
 */
export function npmCommand({ platform, env, execPath }) {
  if (platform !== 'win32') return ['npm'];
  const running = env.npm_execpath ?? '';
  const beside = [win32.dirname(execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js'];
  return [execPath, /[\\/]npm-cli\.js$/.test(running) ? running : win32.join(...beside)];
}

/** What to do about missing system packages: 'install', 'ask', or 'refuse'. */
export function installPolicy({ env, isTty }) {
  if (env.OUTBOX_RELAY_NO_INSTALL === '1') return 'refuse';
  if (!isTty || env.CI === 'true') return 'install';
  return 'ask';
}

/** KEY=value lines; anything else is left alone by mergeEnv. */
export function parseEnv(text) {
  const entries = text
    .split('\n')
    .map((line) => /^([A-Z_][A-Z0-9_]*)=(.*)$/.exec(line.trim()))
    .filter(Boolean)
    .map(([, key, value]) => [key, value]);
  return Object.fromEntries(entries);
}

/** The text with these values set; other lines, comments too, stay as they are. */
export function mergeEnv(text, values) {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n');
  const left = new Map(Object.entries(values));
  const merged = lines.map((line) => {
    const key = line.split('=')[0].trim();
    if (!left.has(key)) return line;
    const value = left.get(key);
    left.delete(key);
    return `${key}=${value}`;
  });
  for (const [key, value] of left) merged.push(`${key}=${value}`);
  return `${merged.join('\n')}\n`;
}

/** Whether a recorded image was built here, from another recipe than `current` would be. */
export function isOutdated(recorded, current) {
  const [repository] = current.split(':');
  return recorded !== undefined && recorded !== current && recorded.startsWith(`${repository}:`);
}

/** The image's name: given by the caller, or known from last time; `null` when neither. */
export function imageName({ wanted, recorded }) {
  return wanted || recorded || null;
}
