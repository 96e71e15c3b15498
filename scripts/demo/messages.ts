/** What the demo's own processes tell the main one, and how they find what they were given. */

export type PublisherMessage =
  | { readonly type: 'progress'; readonly accepted: number }
  | {
      readonly type: 'done';
      readonly accepted: number;
      readonly unknown: number;
      readonly rejected: number;
    };

export interface PublisherTask {
  readonly dbFile: string;
  readonly ledgerFile: string;
  readonly topic: string;
  readonly events: number;
  readonly eventsPerSecond: number;
}

export type TailMessage =
  | { readonly type: 'ready' }
  /** Records in the topic, all partitions; sent when it changed. */
  | { readonly type: 'records'; readonly count: number };

export interface TailTask {
  readonly broker: string;
  readonly topic: string;
  readonly partitions: number;
  readonly probeTopic: string;
}

export type ProbeMessage = { readonly type: 'answered'; readonly atMs: number };

export interface ProbeTask {
  readonly broker: string;
  readonly probeTopic: string;
}

export type ConsumerMessage = { readonly type: 'done'; readonly records: number };

export interface ConsumerTask {
  readonly broker: string;
  readonly topic: string;
  readonly consumedFile: string;
}

/** The task of this process, as JSON in its one argument. */
export function readTask<Task>(): Task {
  const text = process.argv[2];
  if (text === undefined) throw new Error('this file is started by scripts/demo/main.ts');
  return JSON.parse(text) as Task;
}

/** Tells the main process; resolves when the message has left. */
export function tell<Message extends object>(message: Message): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) return reject(new Error('there is no main process'));
    process.send(message, (error) => (error === null ? resolve() : reject(error)));
  });
}

const orphaned = () => process.exit(1);

/** Ends this process when the main one is gone: nothing of the demo outlives it by accident. */
export function endWithMain(): void {
  process.once('disconnect', orphaned);
}

/** The task is done: lets go of the main process, so that this one can end by itself. */
export function finish(): void {
  process.off('disconnect', orphaned);
  process.disconnect();
}
