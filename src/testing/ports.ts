/**
 * Ports for services that are killed and started again on the same one. They are taken from below
 * the range of which the kernel gives ports to outgoing connections (32768 and up on Linux, 49152
 * elsewhere): while a service is dead, nothing else can be given its port.
 */
import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

const first = 10_000;
const end = 32_768;
const triesMax = 100;

/** Ports that are free now; all are held until all are known, so they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, holdAny));
  await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))));
  return held.map(({ port }) => port);
}

async function holdAny(): Promise<{ port: number; server: Server }> {
  for (let tries = 1; ; tries += 1) {
    const port = randomInt(first, end);
    try {
      return { port, server: await hold(port) };
    } catch (error) {
      if (tries === triesMax) throw error;
    }
  }
}

/** On all addresses: Docker publishes there unless it is told not to. */
function hold(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject).listen(port, '0.0.0.0', () => resolve(server));
  });
}
