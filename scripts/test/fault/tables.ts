/** The figures of a run, as tables for a terminal and for docs/reliability.md. Pure. */
export interface Figures {
  readonly table: string;
  readonly [name: string]: unknown;
}

/** One line of JSON per row. */
export function parseFigures(text: string): Figures[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Figures);
}

/** A table in Markdown per kind of figure. */
export function toMarkdown(figures: readonly Figures[]): string[] {
  const kinds = [...new Set(figures.map(({ table }) => table))];
  return kinds.flatMap((kind) => {
    const rows = figures.filter(({ table }) => table === kind).map(flatten);
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
    const body = rows.map((row) => line(columns.map((column) => row[column] ?? '')));
    return [`${kind}:`, '', line(columns), line(columns.map(() => '---')), ...body, ''];
  });
}

/** `{ a: { b: 1 } }` is column `a b`. */
function flatten({ table: _, ...facts }: Figures): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(facts)) {
    if (Array.isArray(value)) continue; // no figures but stories, which the JSON has
    if (typeof value === 'object' && value !== null) {
      for (const [inner, one] of Object.entries(value)) flat[`${name} ${inner}`] = String(one);
    } else {
      flat[name] = String(value);
    }
  }
  return flat;
}
