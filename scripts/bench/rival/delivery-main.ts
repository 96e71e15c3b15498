/**
 * The delivery as a process of its own, started by `sides.ts` with its task as JSON. An outage
 * needs that: a rejection that nobody handles ends a process, and 0.5.7 can leave one (seen once)
 * when a send fails just as the time for its event is up.
 */
import { Delivery, type DeliveryTask } from './delivery.ts';

const delivery = await Delivery.start(JSON.parse(process.argv[2] ?? '') as DeliveryTask);
process.once('SIGTERM', () => void delivery.stop().then(() => process.exit(0)));
