/** A process that is killed between two steps of a repair. */
import { type RepairStep, repairFile } from '../../src/index.ts';

const [path, step] = process.argv.slice(2) as [string, RepairStep];
repairFile(path, {
  reason: 'killed',
  onStep: (reached) => {
    if (reached === step) process.kill(process.pid, 'SIGKILL');
  },
});
