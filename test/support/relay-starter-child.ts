/** Starts a relay in a process of its own, tells its id, and waits to be killed. */
import type { RelayOptions } from '../../src/index.ts';
import { startRelayProcess } from '../../src/testing/relay-handle.ts';

const relay = await startRelayProcess(JSON.parse(process.argv[2] ?? '{}') as RelayOptions);
process.stdout.write(`pid ${relay.pid}\n`);
