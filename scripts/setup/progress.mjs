// The list of steps as people see it: redrawn on a terminal, one line per finished step elsewhere.
const marks = { running: '…', done: '✓', skipped: '✓', failed: '✗' };

export function createProgress(stream, { quiet }) {
  const live = stream.isTTY === true && process.env.CI !== 'true';
  const rows = [];
  let drawn = 0;

  const textOf = (row) => {
    const seconds = `${((row.endMs ?? Date.now()) - row.startMs) / 1000}`.replace(/(\.\d).*/, '$1');
    const note = row.note ? `  ${row.note}` : '';
    return `${marks[row.state]} ${row.name.padEnd(22)} ${seconds.padStart(6)} s${note}`;
  };
  const draw = () => {
    if (!live || quiet) return;
    const width = stream.columns || 80;
    const up = drawn > 0 ? `\x1b[${drawn}A` : '';
    stream.write(up + rows.map((row) => `\x1b[2K${textOf(row).slice(0, width - 1)}\n`).join(''));
    drawn = rows.length;
  };
  const timer = live && !quiet ? setInterval(draw, 250) : null;
  timer?.unref();

  return {
    step(name) {
      const row = { name, state: 'running', startMs: Date.now(), note: '' };
      rows.push(row);
      draw();
      return {
        note(text) {
          row.note = text;
        },
        end(state, note = '') {
          Object.assign(row, { state, note, endMs: Date.now() });
          if (live) draw();
          else if (!quiet || state === 'failed') stream.write(`${textOf(row)}\n`);
        },
      };
    },
    /** Before a question: the lines drawn so far stay above it. */
    release() {
      drawn = 0;
    },
    close() {
      if (timer) clearInterval(timer);
    },
  };
}
