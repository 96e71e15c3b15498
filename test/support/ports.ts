import { freePorts } from '../../src/testing/ports.ts';

/** A port of 127.0.0.1 that is free now. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
