/** `npm run docs`: writes what is made from the option schema. */
import { writeFileSync } from 'node:fs';
import { generatedDocuments } from './generated.ts';

for (const [path, text] of generatedDocuments()) {
  writeFileSync(new URL(`../../${path}`, import.meta.url), text);
  process.stdout.write(`${path}\n`);
}
