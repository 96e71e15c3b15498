/** The layout of CHANGELOG.md: a head, then one section per release, the newest first. Pure. */
import { parse } from 'yaml';

export interface Release {
  readonly version: string;
  /** `(unreleased)` is not in its heading. */
  readonly released: boolean;
  readonly text: string;
  /** The rows of its table: what became of schema, table contract, Redis names and promise. */
  readonly parts: ReadonlyMap<string, string>;
}

export interface Changelog {
  /** Title and the paragraph about semver; they stay above all releases. */
  readonly head: string;
  readonly releases: readonly Release[];
}

export const partNames = ['schema', 'table contract', 'Redis', 'promise'] as const;

export function readChangelog(text: string): Changelog {
  const [head = '', ...sections] = text.split(/^(?=## )/m);
  const releases = sections.map((section) => {
    const [, version = '', mark] = /^## (\S+)(.*)$/m.exec(section) ?? [];
    const rows = section.matchAll(/^\| ([^|]+?) \| (.+?) \|$/gm);
    const parts = new Map([...rows].map(([, part = '', said = '']) => [part, said]));
    return { version, released: mark === '', text: section, parts };
  });
  return { head, releases };
}

export type Bump = 'major' | 'minor' | 'patch';

export interface Note {
  readonly bump: Bump;
  /** Markdown; its first line stands alone. */
  readonly summary: string;
}

/** A file of .changeset, or `null` for one that says that nobody will notice. */
export function readChangeset(text: string): Note | null {
  const [, facts = '', summary = ''] = /^---\r?\n([\s\S]*?)^---\r?\n([\s\S]*)$/m.exec(text) ?? [];
  const bumps = Object.values((parse(facts) ?? {}) as Record<string, Bump>);
  const [bump] = bumps;
  return bump === undefined ? null : { bump, summary: summary.trim() };
}

export interface NewRelease {
  readonly version: string;
  readonly notes: readonly Note[];
  /** Of the newest migration; `oldestCode` is that of the file after all of them. */
  readonly schema: { readonly version: number; readonly name: string; readonly oldestCode: number };
}

/** What breaks comes first. */
const order: readonly Bump[] = ['major', 'minor', 'patch'];

/**
 * The changelog with one more release. Contract, Redis names and promise are those of the release
 * before: who changes them says so in the table.
 */
export function addRelease(text: string, { version, notes, schema }: NewRelease): string {
  const { head, releases } = readChangelog(text);
  const list = order
    .flatMap((bump) => notes.filter((note) => note.bump === bump))
    .map(({ summary }) => `- ${summary.split('\n').join('\n  ').replaceAll(/^ +$/gm, '')}`);
  const before = releases[0]?.parts ?? new Map<string, string>();
  const { name, oldestCode } = schema;
  const file = `\`migrations/${name}\``;
  const schemaRow = `${schema.version} (${file}), for code from schema ${oldestCode} on`;
  const rows = partNames.map((part) => {
    return `| ${part} | ${part === 'schema' ? schemaRow : (before.get(part) ?? '')} |`;
  });
  const table = ['| part | this release |', '| --- | --- |', ...rows];
  const section = `## ${version}\n\n${list.join('\n')}\n\n${table.join('\n')}\n\n`;
  return `${head}${section}${releases.map((release) => release.text).join('')}`;
}
