/** What a synchronous function may not return: nobody would see how it ends. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** It ends unseen; it must not end the process as well. */
export function ignore(thenable: PromiseLike<unknown>): void {
  Promise.resolve(thenable).catch(() => {});
}
