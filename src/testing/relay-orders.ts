/**
 * What a relay in a process of its own is told, and what it tells: JSON, one line each. Its first
 * line of input is {@link RelayOrders}; a line `stop` stops it; the end of its input means that
 * whoever started it is gone, and ends it at once. The options come this way and not as arguments,
 * which every user of the machine can read.
 */
import type { RelayOptions } from '../config/relay-options.ts';
import type { DrainStep } from '../relay/lane-parts.ts';

export interface RelayOrders {
  readonly options: RelayOptions;
  readonly fault: StepFault | null;
}

/** What it does to itself, and when. */
export interface StepFault {
  readonly step: DrainStep;
  /** The how many-th time it comes to the step, over all lanes; from 1. */
  readonly nth: number;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

/** One thing that a relay in a process of its own has told, and its facts. */
export interface RelayTold {
  /**
   * `started`, `delivered`, `laneFailed`, `leaseTaken`, `leaseLost`, `circuit` and `warning` as the
   * relay's own events; `step` when it came to the step that it was told to watch; `failed` when it
   * could not start or stop.
   */
  readonly event:
    | 'started'
    | 'delivered'
    | 'laneFailed'
    | 'leaseTaken'
    | 'leaseLost'
    | 'circuit'
    | 'warning'
    | 'step'
    | 'failed';
  readonly [fact: string]: unknown;
}

/** Its input when it is to stop in good order. */
export const stopLine = 'stop';
