/** `outbox-relay run` as a process of its own, and the memory it takes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Services } from './services.ts';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface RelayFlags {
  readonly nodeFlags?: readonly string[];
  /** Added to the options of `run`. */
  readonly more?: readonly string[];
}

export class RelayProcess {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(
    db: string,
    services: Services,
    { nodeFlags = [], more = [] }: RelayFlags = {},
  ): Promise<RelayProcess> {
    const options = ['--db', db, '--brokers', services.brokers, '--redis', services.redis];
    const child = spawn(process.execPath, [...nodeFlags, main, 'run', ...options, ...more], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    // An interrupted benchmark must not leave a relay behind.
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    const lines = createInterface({ input: child.stdout });
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the relay ended with ${code}`);
    });
    const started = new Promise<void>((resolve) => {
      lines.on('line', (line) => {
        if (line.includes('"msg":"started"')) resolve();
      });
    });
    await Promise.race([started, ended]);
    ended.catch(() => {}); // from here on it is stopped on purpose
    return new RelayProcess(child);
  }

  /** Bytes of the process in memory: now, and at most so far. Linux. */
  memory(): { readonly now: number; readonly peak: number } {
    const text = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    const bytes = (name: string) =>
      Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1] ?? 0) * 1_024;
    return { now: bytes('VmRSS'), peak: bytes('VmHWM') };
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await gone;
  }
}
