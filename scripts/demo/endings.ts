/**
 * The list of what must be ended. A thing is put on it before it is started, so that an
 * interruption at any moment leaves nothing behind.
 */
export class Endings {
  #list: { readonly what: string; readonly end: () => Promise<unknown> }[] = [];

  add(what: string, end: () => Promise<unknown>): void {
    this.#list.push({ what, end });
  }

  /** Takes things off the list: they live on. */
  spare(kept: ReadonlySet<string>): void {
    this.#list = this.#list.filter(({ what }) => !kept.has(what));
  }

  /** Ends everything, the last first. Resolves with what could not be ended, in words. */
  async endAll(): Promise<string[]> {
    const faults: string[] = [];
    for (const { what, end } of this.#list.toReversed()) {
      try {
        await end();
      } catch (error) {
        faults.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.#list = [];
    return faults;
  }
}
