/**
 * What a relay emits: the one typed list behind `relay.on(name, listener)`, logs and metrics.
 * No payload, key or secret is ever part of it.
 */
import { EventEmitter } from 'node:events';
import type { CircuitState, LaneFailure } from '../outbox/store.ts';

/** Names of a relay's events, and what a listener of each gets. */
export interface RelayEvents {
  /** Leases can be taken and wake-ups are heard. */
  started: [];
  /** Nothing of the relay runs any more. `clean` is false when the deadline was passed. */
  stopped: [{ readonly clean: boolean }];
  /** A batch was acknowledged by Kafka and the cursor has moved. */
  delivered: [
    {
      readonly lane: number;
      readonly count: number;
      readonly cursor: number;
      readonly via: 'job' | 'sweep';
    },
  ];
  /** A lane could not send; its events wait. Emitted at every failed try. */
  laneFailed: [{ readonly lane: number; readonly failure: LaneFailure; readonly cause: unknown }];
  /** Kafka said no to one event: it is held, and the others of its key wait behind it. */
  refused: [
    {
      readonly lane: number;
      readonly seq: number;
      readonly topic: string;
      readonly code: string;
      readonly message: string;
      /** Refusals so far, this one counted. */
      readonly attempts: number;
      /** Whether its retries are used up: it waits for an operator. */
      readonly dead: boolean;
    },
  ];
  /** A topic, or one of its partitions, takes no events: they are set aside, and it is asked. */
  topicStopped: [
    {
      readonly lane: number;
      readonly topic: string;
      /** `null`: all partitions. */
      readonly partition: number | null;
      readonly code: string;
      readonly message: string;
    },
  ];
  /** What a stop had set aside is delivered. */
  topicResumed: [
    { readonly lane: number; readonly topic: string; readonly partition: number | null },
  ];
  /**
   * Kafka does not let the relay in: a wrong password, a certificate that is not trusted. Emitted
   * when the code is a new one and once a minute while it lasts; `hint` says what to do.
   */
  loginFailed: [
    {
      /** One of the codes under "Logging in" of docs/errors.md. */
      readonly code: string;
      readonly message: string;
      readonly hint: string;
      readonly cause: unknown;
    },
  ];
  circuit: [{ readonly state: CircuitState; readonly cause: unknown }];
  /** The retries of a lane's round are used up; a new round follows, nothing is dropped. */
  roundUsedUp: [{ readonly lane: number; readonly cause: unknown }];
  /** Another relay owns the lane now. */
  leaseLost: [{ readonly lane: number; readonly fence: number }];
  /** A lane of an owner that is gone or stood still was taken over. */
  leaseTaken: [{ readonly lane: number; readonly from: string }];
  /** Redis went away or came back. */
  redis: [{ readonly reachable: boolean; readonly cause: unknown }];
  pruned: [{ readonly count: number }];
  /** Something an operator should look at; the relay goes on. */
  warning: [{ readonly code: string; readonly message: string; readonly cause: unknown }];
}

/**
 * A listener that throws, or rejects, is its owner's fault and not the relay's: the others are
 * still called and the drain goes on. It is told as a warning; one that hears warnings, as an
 * uncaught exception.
 */
export class RelayEmitter extends EventEmitter<RelayEvents> {
  override emit<K>(name: keyof RelayEvents | K, ...args: unknown[]): boolean {
    const listeners = this.rawListeners(name as keyof RelayEvents);
    for (const listener of listeners) {
      try {
        const result: unknown = Reflect.apply(listener, this, args);
        if (result instanceof Promise) {
          result.catch((error: unknown) => this.#report(String(name), error));
        }
      } catch (error) {
        this.#report(String(name), error);
      }
    }
    return listeners.length > 0;
  }

  #report(name: string, error: unknown): void {
    if (name === 'warning') {
      process.nextTick(() => {
        throw error;
      });
      return;
    }
    const thrown = error instanceof Error ? error.message : String(error);
    const message = `a listener of ${name} threw: ${thrown}`;
    this.emit('warning', { code: 'LISTENER_FAILED', message, cause: error });
  }
}

export function createRelayEmitter(): RelayEmitter {
  return new RelayEmitter();
}
