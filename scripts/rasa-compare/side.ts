/**
 * One side of the comparison: an application with an event broker, as a process of its own. It
 * says "ready", publishes each line of its stdin and says "published" when the call has returned;
 * at the end of its stdin it closes its broker and ends.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';

/** An application that does not end by itself is killed, as a supervisor does. */
const endMs = 15_000;

export interface SideSpec {
  readonly name: 'ours' | 'original';
  readonly topic: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export class Side {
  readonly spec: SideSpec;
  #process: ChildProcessWithoutNullStreams | null = null;
  #answers: AsyncIterator<string> | null = null;
  #lines: Interface | null = null;
  /** The end of what it said on stderr. */
  #errors = '';

  constructor(spec: SideSpec) {
    this.spec = spec;
  }

  async start(): Promise<void> {
    const { command, args, env } = this.spec;
    const child = spawn(command, args, { env: { ...process.env, ...env } });
    child.stderr.on('data', (chunk) => {
      this.#errors = `${this.#errors}${chunk}`.slice(-500);
    });
    child.stdin.on('error', () => {}); // it may have ended; the missing answer tells
    this.#lines = createInterface({ input: child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
    this.#process = child;
    await this.#answer('ready');
  }

  /** Resolves when the broker's publish has returned. */
  async publish(event: object): Promise<void> {
    this.#process?.stdin.write(`${JSON.stringify(event)}\n`);
    await this.#answer('published');
  }

  async #answer(word: string): Promise<void> {
    const { done, value } = (await this.#answers?.next()) ?? { done: true, value: '' };
    if (done || value !== JSON.stringify(word)) {
      throw new Error(`${this.spec.name} did not say ${word}: ${this.#errors.trim()}`);
    }
  }

  /** As a deployment does: asks it to end, and kills it when it does not. Legal twice. */
  async end(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), endMs);
    const closed = child.exitCode === null ? once(child, 'exit') : Promise.resolve();
    child.stdin.end();
    await closed;
    clearTimeout(timer);
    this.#lines?.close();
  }
}
