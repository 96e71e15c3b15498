/**
 * Processes of the demo. Each runs in a process group of its own, so that Ctrl-C reaches the main
 * process alone, which then ends the others in order; their output goes to files.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Node's own remarks about TypeScript, and about kafkajs's timers (tulios/kafkajs#1751). */
const quiet = ['--disable-warning=ExperimentalWarning', '--disable-warning=TimeoutNegativeWarning'];

/** A witness or the publisher: a file of this folder with a task, that sends messages. */
export class Child<Message extends { readonly type: string }> {
  readonly name: string;
  /** Rejects when the process ends before it was told to, or ended with an error. */
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  #stopping = false;

  constructor(name: string, task: object, logFile: string) {
    this.name = name;
    const output = openSync(logFile, 'a');
    const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
    this.#process = fork(file, [JSON.stringify(task)], {
      detached: true,
      execArgv: quiet,
      stdio: ['ignore', output, output, 'ipc'],
    });
    closeSync(output);
    this.ended = this.#watch(logFile);
    // Whoever waits for this process sees the rejection; without a waiter it must not crash us.
    this.ended.catch(() => {});
  }

  async #watch(logFile: string): Promise<void> {
    const [code, signal] = await once(this.#process, 'exit');
    if (this.#stopping || code === 0) return;
    const how = signal ?? `exit code ${code}`;
    throw new Error(
      `the ${this.name} ended with ${how}; the end of ${logFile}:\n${endOf(logFile)}`,
    );
  }

  /** The next message of this type. Rejects when the process ends before it. */
  next<Type extends Message['type']>(type: Type): Promise<Extract<Message, { type: Type }>> {
    return new Promise((resolve, reject) => {
      const take = (message: Message) => {
        if (message.type !== type) return;
        this.#process.off('message', take);
        resolve(message as Extract<Message, { type: Type }>);
      };
      this.#process.on('message', take);
      const early = () => reject(new Error(`the ${this.name} ended without "${type}"`));
      this.ended.then(early, reject);
    });
  }

  onMessage(listener: (message: Message) => void): void {
    this.#process.on('message', listener);
  }

  /** SIGKILL: the demo's own processes keep nothing that a clean end would save. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (isRunning(this.#process)) this.#process.kill('SIGKILL');
    await this.ended.catch(() => {
      // It ended badly before; that was reported to whoever waited for it.
    });
  }
}

const unplannedRestartsMax = 5;
const stopDeadlineMs = 15_000;

/** Runs the relay's command and starts it again at once whenever it dies. */
export class Supervisor {
  /** Rejects when the relay cannot be kept running. Never resolves. */
  readonly failed: Promise<never>;
  readonly #args: readonly string[];
  readonly #logFile: string;
  #process: ChildProcess;
  #planned = 0;
  #restarts = 0;
  #stopping = false;
  #reject: (error: Error) => void = () => {};

  /** `args`: of the command line, from its command on. */
  constructor(args: readonly string[], logFile: string) {
    const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    this.#args = [...quiet, cli, ...args];
    this.#logFile = logFile;
    this.failed = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.failed.catch(() => {});
    this.#process = this.#start();
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** How often it died without being killed by the demo. */
  get crashes(): number {
    return this.#restarts - this.#planned;
  }

  #start(): ChildProcess {
    const output = openSync(this.#logFile, 'a');
    const child = spawn(process.execPath, this.#args, {
      detached: true,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    child.once('error', (error) => this.#reject(error));
    child.once('exit', (code, signal) => {
      if (this.#stopping) return;
      this.#restarts += 1;
      if (this.crashes > unplannedRestartsMax) {
        const how = signal ?? `exit code ${code}`;
        const log = `the end of ${this.#logFile}:\n${endOf(this.#logFile)}`;
        this.#reject(new Error(`the relay does not stay up (${how}); ${log}`));
      } else {
        this.#process = this.#start();
      }
    });
    return child;
  }

  /** SIGKILL, as the out-of-memory killer would; resolves when the next one was started. */
  async kill(): Promise<void> {
    this.#planned += 1;
    const victim = this.#process;
    const gone = once(victim, 'exit');
    victim.kill('SIGKILL');
    await gone;
  }

  /** SIGTERM, and SIGKILL when that takes too long. Resolves with whether it ended cleanly. */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    const child = this.#process;
    if (!isRunning(child)) return child.exitCode === 0;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
    await gone;
    clearTimeout(timer);
    return child.exitCode === 0;
  }

  /** Lets it run on after this process. */
  release(): void {
    this.#stopping = true;
    this.#process.unref();
  }
}

function endOf(logFile: string): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-20).join('\n');
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}
