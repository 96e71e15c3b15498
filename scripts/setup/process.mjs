// Runs a command without letting its output through; on failure the tail of it is the message.
import { spawn } from 'node:child_process';
import { npmCommand } from './decide.mjs';

export class CommandError extends Error {
  constructor(command, code, output) {
    const tail = output.trim().split('\n').slice(-15).join('\n');
    super(`${command} ended with ${code}${tail ? `:\n${tail}` : ''}`);
    this.name = 'CommandError';
  }
}

/**
 * Resolves with stdout. Rejects with CommandError on a non-zero exit or after `idleMs` without
 * any output. `onLine` gets every line as it comes, for progress.
 */
export function run(command, args, { cwd, env, input, idleMs, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env } });
    let stdout = '';
    let all = '';
    let timer;
    const alive = () => {
      clearTimeout(timer);
      if (idleMs) timer = setTimeout(() => child.kill('SIGKILL'), idleMs);
    };
    const take = (chunk) => {
      alive();
      all = (all + chunk).slice(-20_000);
      const line = String(chunk)
        .trim()
        .split(/[\r\n]/)
        .pop();
      if (line) onLine?.(line);
    };
    alive();
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      take(chunk);
    });
    child.stderr.on('data', take);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(stdout);
      else reject(new CommandError([command, ...args].join(' '), code ?? signal, all));
    });
    child.stdin.on('error', () => {}); // the child may end before it has read everything
    child.stdin.end(input);
  });
}

export function runNpm(args, options) {
  const [command, ...first] = npmCommand(process);
  return run(command, [...first, ...args], options);
}

/** Whether the command ends with 0; also false when it does not exist. */
export async function succeeds(command, args, options) {
  try {
    await run(command, args, options);
    return true;
  } catch {
    return false; // the question was whether it works; why it does not is the caller's next step
  }
}

export const has = (command) => succeeds('sh', ['-c', `command -v ${command}`]);
