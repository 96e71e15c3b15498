/** The command line as a process of its own, in a folder of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, type ChildOptions, root } from './child.ts';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class CommandLine {
  readonly folder = mkdtempSync(join(tmpdir(), 'outbox-cli-'));
  readonly db = this.path('shop.db');
  readonly #children: Child[] = [];

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  start(args: readonly string[], options: ChildOptions = {}): Child {
    const main = `${root}src/cli/main.ts`;
    const given = { cwd: this.folder, ...options };
    const child = new Child(process.execPath, [main, ...args], given);
    this.#children.push(child);
    return child;
  }

  /** Runs to the end; `input` is its stdin. */
  async run(
    args: readonly string[],
    options: ChildOptions & { input?: string } = {},
  ): Promise<Ended> {
    const { input, ...rest } = options;
    const child = this.start(args, input === undefined ? rest : { ...rest, stdin: 'pipe' });
    if (input !== undefined) child.end(input);
    const { code } = await child.ended;
    return { code, out: child.lines.join('\n'), err: child.errors.join('\n') };
  }

  /** As `run` with `--json`, the result parsed. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    const { code, out, err } = await this.run([...args, '--json']);
    if (code !== 0) throw new Error(`exit code ${code}: ${err}`);
    return JSON.parse(out) as T;
  }

  async close(): Promise<void> {
    for (const child of this.#children) await child.kill();
    // Windows may hold files of a process for a moment after its end.
    rmSync(this.folder, { recursive: true, maxRetries: 5 });
  }
}
