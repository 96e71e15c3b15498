/** A process that is killed in the middle of an operator's act, before its audit row. */
import { openOperator } from '../../src/index.ts';

const [path, verb] = process.argv.slice(2) as [string, 'skip' | 'redrive' | 'purge' | 'pause'];
const onActed = () => process.kill(process.pid, 'SIGKILL');
const operator = openOperator(path, { onActed });
const why = { reason: 'killed' };
if (verb === 'pause') operator.pause({ all: true }, why);
else operator[verb]({ topic: 'orders' }, why);
