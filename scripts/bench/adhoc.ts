import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Endings } from '../demo/endings.ts';
import { measureHeld } from './held.ts';
import { startServices } from './services.ts';
const endings = new Endings();
const folder = mkdtempSync(join(process.cwd(), '.bench-'));
endings.add(folder, async () => rmSync(folder, { recursive: true, force: true }));
const services = await startServices(endings);
try {
  const tell = (text: string) => process.stderr.write(`${text}\n`);
  const cost = await measureHeld(1_000_000, { folder, services, repeats: 5, tell, secondsMin: 20, backlog: 100_000 });
  console.log(JSON.stringify(cost));
} finally {
  for (const fault of await endings.endAll()) console.error(fault);
}
