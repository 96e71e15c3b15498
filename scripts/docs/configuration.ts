/** `npm run docs`: writes docs/configuration.md. */
import { writeFileSync } from 'node:fs';
import { renderReference } from './reference.ts';

const file = new URL('../../docs/configuration.md', import.meta.url);
writeFileSync(file, renderReference());
process.stdout.write('docs/configuration.md\n');
