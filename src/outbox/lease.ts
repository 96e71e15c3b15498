/** What the owner of a lane shows, and how much it asks for at once. */

/** Proof of owning a lane. Each acquisition, also by the same relay, has a new, higher fence. */
export interface Lease {
  readonly lane: number;
  readonly owner: string;
  readonly fence: number;
}

export interface BatchBounds {
  /** At most this many events, 1 or more. */
  readonly events: number;
  /** At most this many bytes of key, value and headers; the first event is always given. */
  readonly bytes: number;
}
