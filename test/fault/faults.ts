/** What the nemesis does, and undoes. */
import { until } from '../support/wait.ts';
import type { Chance } from './form.ts';
import { freezeBetweenCommits, hasTaken, isUnderWay, lanesOwned } from './ownership.ts';
import { leaseMs, type World } from './world.ts';

export interface Fault {
  readonly name: string;
  /** Resolves with false when it has met nothing: then it is begun once more. */
  begin(world: World, chance: Chance): Promise<unknown>;
  /** Everything is well again afterwards, or becomes well by itself. Resolves as `begin` does. */
  end(world: World): Promise<unknown>;
  /** The relays cannot reach Kafka: the figures of a recovery are taken. */
  readonly isOutage?: true;
  /** It counts when a send came to nothing. */
  readonly breaksSends?: true;
  /** How long it lasts, milliseconds. Default: up to two seconds. */
  readonly lastsMs?: number;
}

const redisSays = (world: World, ...command: [string, ...string[]]) =>
  world.redis.client.call(...command);

/** Wall time as a relay sees it, which its lanes' owners must not go by. */
async function jumpClock(world: World, chance: Chance): Promise<void> {
  const jumpMs = chance.oneOf([-48, -1, 1, 48]) * 3_600_000;
  const relay = world.relays[chance.between(0, 1)];
  const heard = relay?.lines.length ?? 0;
  relay?.write(`${JSON.stringify({ jumpMs })}\n`);
  const hasJumped = () => relay?.lines.slice(heard).some((line) => line.includes('"clock"'));
  await until('the clock has jumped', hasJumped);
}

/** Whether a batch of its was under way. */
async function killBusy(world: World, index: number): Promise<boolean> {
  await world.isBusy(index);
  await world.killRelay(index);
  return isUnderWay(world.scene.db, lanesOwned(world.relay(index).lines));
}

async function freezeBusy(world: World, chance: Chance): Promise<void> {
  const index = chance.between(0, 1);
  const relay = world.relay(index);
  world.mark();
  await freezeBetweenCommits(world.scene.db, {
    freeze: async () => {
      await world.isBusy(index);
      relay.signal('SIGSTOP');
      await until('it is frozen', () => relay.isStopped());
    },
    thaw: async () => relay.signal('SIGCONT'),
  });
}

/** Whether the other one has taken its lanes meanwhile. */
async function thaw(world: World): Promise<boolean> {
  const frozen = world.relays.find((relay) => relay.isStopped());
  if (frozen === undefined) return false;
  const { length } = frozen.lines;
  frozen.signal('SIGCONT');
  await until('the woken relay goes on', () => {
    if (world.status().pending === 0) world.scene.enqueue(100);
    return frozen.lines.length > length;
  });
  return world.relays.some((relay) => relay !== frozen && hasTaken(world.linesSinceMark(relay)));
}

export const faults: readonly Fault[] = [
  {
    name: 'broker killed',
    begin: ({ kafka }) => kafka.container.kill(),
    end: ({ kafka }) => kafka.container.start(),
    isOutage: true,
    breaksSends: true,
  },
  {
    name: 'broker stopped',
    begin: ({ kafka }) => kafka.container.stop(),
    end: ({ kafka }) => kafka.container.start(),
    isOutage: true,
    breaksSends: true,
  },
  {
    name: 'broker frozen',
    begin: ({ kafka }) => kafka.container.pause(),
    end: ({ kafka }) => kafka.container.unpause(),
    isOutage: true,
    breaksSends: true,
    lastsMs: 3_000,
  },
  {
    name: 'network half-open',
    begin: async ({ network }) => network.swallow(),
    end: async ({ network }) => {
      network.forward();
      network.reset(); // as when the middle box forgets what it knew
    },
    isOutage: true,
    breaksSends: true,
    lastsMs: 3_000,
  },
  {
    name: 'relays cut off from the broker',
    begin: async ({ network }) => network.refuse(),
    end: async ({ network }) => network.forward(),
    isOutage: true,
    breaksSends: true,
  },
  {
    name: 'connections reset',
    begin: async ({ network }) => network.reset(),
    end: async () => {},
    lastsMs: 0,
  },
  {
    name: 'Redis flushed',
    begin: ({ redis }) => redis.flushAll(),
    end: ({ redis }) => redis.flushAll(),
  },
  {
    name: 'Redis killed',
    begin: ({ redis }) => redis.container.kill(),
    end: ({ redis }) => redis.container.start(),
  },
  {
    name: 'Redis frozen',
    begin: ({ redis }) => redis.container.pause(),
    end: ({ redis }) => redis.container.unpause(),
  },
  {
    name: 'Redis full',
    begin: (world) => redisSays(world, 'CONFIG', 'SET', 'maxmemory', '1'),
    end: (world) => redisSays(world, 'CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    name: 'Redis a replica',
    begin: (world) => redisSays(world, 'REPLICAOF', '127.0.0.1', '1'),
    end: (world) => redisSays(world, 'REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'relay killed',
    begin: async (world, chance) => {
      const index = chance.between(0, 1);
      const hasMet = await killBusy(world, index);
      world.startRelay(index);
      return hasMet;
    },
    end: async () => {},
  },
  {
    name: 'both relays killed',
    begin: async (world, chance) => {
      const first = chance.between(0, 1);
      const hasMet = await killBusy(world, first);
      await world.killRelay(1 - first);
      return hasMet;
    },
    end: async (world) => {
      for (const index of world.relays.keys()) world.startRelay(index);
    },
  },
  {
    name: 'relay frozen beyond its lease',
    begin: freezeBusy,
    end: thaw,
    lastsMs: leaseMs + 1_000,
  },
  { name: 'clock jumps', begin: jumpClock, end: async () => {} },
];

export const waitOf = ({ lastsMs }: Fault, chance: Chance): number =>
  lastsMs ?? chance.between(200, 2_000);
