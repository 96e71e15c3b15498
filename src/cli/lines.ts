/** Lines of a byte stream, with their numbers; one that is too long is cut, not kept. */
import { readSync } from 'node:fs';

export interface Line {
  /** 1-based. */
  readonly number: number;
  /** Without the line's end; `null` when it was longer than the bound. */
  readonly bytes: Buffer | null;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

export class LineSplitter {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #length = 0;
  #number = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Lines that end in this chunk. The bytes are only good until the next call. */
  *push(chunk: Buffer): Generator<Line> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(newline, start);
      if (end < 0) break;
      this.#keep(chunk.subarray(start, end));
      yield this.#take();
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  /** The last line, when it has no end of its own. */
  *finish(): Generator<Line> {
    if (this.#length > 0) yield this.#take();
  }

  #keep(part: Buffer): void {
    this.#length += part.length;
    if (this.#length <= this.#bytesMax) this.#parts.push(Buffer.from(part));
    else this.#parts = [];
  }

  #take(): Line {
    this.#number += 1;
    const whole = this.#length <= this.#bytesMax ? Buffer.concat(this.#parts) : null;
    this.#parts = [];
    this.#length = 0;
    const bytes = whole?.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole;
    return { number: this.#number, bytes };
  }
}

const chunkBytes = 65_536;

/** Lines of an open file from its beginning. */
export function* readLines(file: number, bytesMax: number): Generator<Line> {
  const splitter = new LineSplitter(bytesMax);
  const chunk = Buffer.alloc(chunkBytes);
  let position = 0;
  for (;;) {
    const length = readSync(file, chunk, 0, chunkBytes, position);
    if (length === 0) break;
    position += length;
    yield* splitter.push(chunk.subarray(0, length));
  }
  yield* splitter.finish();
}
