/** What the tests of the doctor share. */
import type { Diagnosis } from 'outbox-relay';
import { freePort } from './ports.ts';

/** The findings of one check, as `severity: found`. */
export const said = ({ findings }: Diagnosis, check: string) =>
  findings.filter((one) => one.check === check).map((one) => `${one.severity}: ${one.found}`);

/** An address where nobody answers. */
export const nowhere = async () => `127.0.0.1:${await freePort()}`;
