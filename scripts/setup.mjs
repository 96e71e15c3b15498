// `npm run setup`: everything the tests and the demo need, and nothing twice.
import { ensureSetup } from './setup/index.mjs';

try {
  await ensureSetup();
} catch (error) {
  process.stderr.write(`\nThe set-up did not finish. ${error.message}\n`);
  process.exitCode = 1;
}
