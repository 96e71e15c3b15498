/** The documents that are made from the code: path from the root, and text. Pure. */
import { z } from 'zod';
import { optionsSchema } from '../../src/config/options.ts';
import { renderExample } from './example.ts';
import { renderReference } from './reference.ts';

export function generatedDocuments(): [path: string, text: string][] {
  return [
    ['docs/configuration.md', renderReference()],
    ['docs/outbox-relay.example.yml', renderExample()],
    ['docs/outbox-relay.schema.json', renderSchema()],
  ];
}

/** For editors: names, types, bounds. What needs two options is checked by outbox-relay itself. */
function renderSchema(): string {
  const schema = z.toJSONSchema(optionsSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // Facts are for the reference; of them an editor shows the description.
      for (const name of ['fallback', 'unit', 'note', 'flag', 'value', 'secret', 'group']) {
        delete (jsonSchema as Record<string, unknown>)[name];
      }
    },
  });
  const { $schema, ...rest } = schema;
  const title = 'Options of outbox-relay (outbox-relay.yml)';
  return `${JSON.stringify({ $schema, title, ...rest, required: undefined }, null, 2)}\n`;
}
