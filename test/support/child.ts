/** Child processes of a test: their lines, their end, and nothing left of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './wait.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface ChildOptions {
  /** Added to this process's environment. */
  readonly env?: Record<string, string>;
  /** Default: the repository's root. */
  readonly cwd?: string;
  /** Its stdin; `'pipe'` keeps it open for `write`. Default: nothing, as /dev/null. */
  readonly stdin?: 'ignore' | 'pipe';
}

export class Child {
  readonly lines: string[] = [];
  readonly errors: string[] = [];
  readonly #process: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.#process = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
    });
    const { stdout, stderr } = this.#process;
    if (stdout) createInterface({ input: stdout }).on('line', (line) => this.lines.push(line));
    if (stderr) createInterface({ input: stderr }).on('line', (line) => this.errors.push(line));
    this.ended = new Promise((resolve) => {
      this.#process.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** A TypeScript file of this repository, under the Node that runs the test. */
  static node(file: string, args: readonly string[], options: ChildOptions = {}): Child {
    return new Child(process.execPath, [`${root}${file}`, ...args], options);
  }

  write(text: string): void {
    this.#process.stdin?.write(text);
  }

  /** Ends its stdin. */
  end(text = ''): void {
    this.#process.stdin?.end(text);
  }

  /** As `| head` does when it has seen enough. */
  closeOutput(): void {
    this.#process.stdout?.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Whether SIGSTOP has reached it: Linux says `T`. */
  isStopped(): boolean {
    const stat = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
  }

  /** The first line that holds the text. */
  async line(text: string, timeoutMs = 30_000): Promise<string> {
    const ended = { yet: false };
    void this.ended.then(() => {
      ended.yet = true;
    });
    return until(
      `a line with ${text}`,
      () => {
        const found = this.lines.find((line) => line.includes(text));
        if (found === undefined && ended.yet)
          throw new Error(`it ended: ${this.errors.join('\n')}`);
        return found;
      },
      { timeoutMs },
    );
  }

  /** Ends it now, and waits until it has. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }
}
