/**
 * Puts the view onto a stream: redraws the panel in place on a terminal, writes plain lines
 * elsewhere. It hides the cursor while it draws and gives it back when it closes.
 */
import {
  clockText,
  createPaint,
  cutTo,
  panelLines,
  plainLine,
  type Snapshot,
  type StoryLine,
} from './view.ts';

const redrawMs = 250;
const plainMs = 2_000;
const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';

export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #take: () => Snapshot;
  readonly #story: StoryLine[] = [];
  readonly #history: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #drawnLines = 0;
  #closed = false;

  /** `take` gives the values of the moment; it is called once per drawing. */
  constructor(out: NodeJS.WriteStream, take: () => Snapshot) {
    this.#out = out;
    this.#take = take;
    if (out.isTTY) out.write(hideCursor);
    this.#timer = setInterval(
      () => {
        this.#history.push(take().pending);
        this.#draw();
      },
      out.isTTY ? redrawMs : plainMs,
    );
  }

  /** Adds an event of the story. */
  tell(text: string): void {
    const { elapsedSeconds } = this.#take();
    this.#story.push({ atSeconds: elapsedSeconds, text });
    if (this.#out.isTTY) this.#draw();
    else this.#out.write(`${clockText(elapsedSeconds).padStart(6)}  * ${text}\n`);
  }

  /** Draws once more and leaves the last picture. Legal twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#draw();
    if (this.#out.isTTY) this.#out.write(`${showCursor}\n`);
  }

  #draw(): void {
    const snapshot = this.#take();
    if (!this.#out.isTTY) {
      this.#out.write(`${plainLine(snapshot)}\n`);
      return;
    }
    const paint = createPaint(!process.env['NO_COLOR']);
    const panel = { snapshot, pendingHistory: this.#history, story: this.#story };
    const columns = this.#out.columns || 80;
    const lines = panelLines(panel, paint)
      .slice(0, Math.max(1, (this.#out.rows || 24) - 1))
      .map((line) => `\u001b[2K${cutTo(line, columns - 1)}\n`);
    const back = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A` : '';
    this.#out.write(`${back}${lines.join('')}\u001b[J`);
    this.#drawnLines = lines.length;
  }
}
