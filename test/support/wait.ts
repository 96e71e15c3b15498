/** Waits for a condition, never for time. */
export { until } from '../../src/testing/until.ts';
