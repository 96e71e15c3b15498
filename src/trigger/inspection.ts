/** What can be told about Redis without writing to it: the facts behind the doctor's findings. */

export type RedisInspection =
  /** Why there was no answer; `code` is a system error name or Redis's own first word. */
  | { readonly reachable: false; readonly code: string; readonly message: string }
  | {
      readonly reachable: true;
      /** e.g. `7.4.1`; `null` when INFO is not allowed. */
      readonly version: string | null;
      /** maxmemory-policy, e.g. `noeviction`; `null` when INFO is not allowed. */
      readonly eviction: string | null;
      /** `null` when INFO does not tell. */
      readonly role: RedisRole | null;
      /** What counts against maxmemory; `null` without a bound, or when INFO does not tell. */
      readonly memory: { readonly usedBytes: number; readonly maxBytes: number } | null;
    };

/** A replica takes no writes; one that is set to take some loses them to its master's. */
export type RedisRole = 'master' | 'replica' | 'writable replica';
