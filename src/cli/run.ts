/** `outbox-relay run`: relays until it is told to stop. */
import type { Command } from 'commander';
import { type Logger, pino } from 'pino';
import { stringify } from 'yaml';
import { createRelay } from '../app.ts';
import { describeConfig, nameProtocol } from '../config/describe.ts';
import { maskSecrets } from '../config/fault.ts';
import type { RelayOptions } from '../config/relay-options.ts';
import { resolveLoaded } from '../config/resolve.ts';
import { diagnose } from '../diagnose.ts';
import { exitCodes } from './exit-codes.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { printJson } from './report.ts';
import type { Shell } from './shell.ts';

const examples = `
Examples:
  outbox-relay run --db shop.db --brokers 127.0.0.1:9092
  outbox-relay run --db shop.db --brokers a:9092,b:9092 --redis redis://127.0.0.1:6379 \\
    --retries 60 --delay 5000
  OUTBOX_RELAY_REDIS=rediss://user:secret@redis:6380 outbox-relay run --config outbox-relay.yml
  outbox-relay run --config outbox-relay.yml --print-config

The outbox file is made if there is none. Kafka and Redis may be away at the start. What the
doctor would warn about is logged once, with the name of its check.
SIGTERM or SIGINT stops cleanly within --stop-deadline; a second one stops at once.
Logs are JSON lines on stdout. No event's key or value is ever logged.`;

export function addRunCommand(program: Command, shell: Shell, end: (code: number) => void): void {
  const command = program
    .command('run')
    .description('Relay the events of an outbox to Kafka until stopped.')
    .option('--print-config', 'print every option as resolved, secrets masked, and start nothing')
    .option('--json', 'with --print-config: as JSON instead of YAML')
    .addHelpText('after', examples);
  addOptions(command).action(async (flags: Flags) => {
    if (flags['printConfig'] === true) printConfig(flags);
    else await run(flags, shell);
    end(exitCodes.ok.code);
  });
}

function printConfig(flags: Flags): void {
  const described = describeConfig(resolveLoaded(readOptions(flags)));
  if (flags['json'] === true) printJson(described);
  else process.stdout.write(stringify(described));
}

/** Relays until interrupted. Throws what starting or stopping throws. */
async function run(flags: Flags, shell: Shell): Promise<void> {
  const loaded = readOptions(flags);
  const config = resolveLoaded(loaded);
  const { db, brokers, redis, retry, logLevel, stopDeadlineMs } = config;
  const logger = pino({ level: logLevel, base: null });
  const { interrupted } = shell;
  const options = loaded.options as unknown as RelayOptions; // as resolveLoaded has just checked
  const relay = createRelay({ ...options, logger });
  const facts = { db, brokers, protocol: nameProtocol(config.security), retry };
  logger.info({ ...facts, redis: redis && maskSecrets(redis) }, 'starting');
  await relay.start();
  const examined = logFindings(options, logger, interrupted);
  const signal = await nameOf(interrupted);
  logger.info({ signal, stopDeadlineMs }, 'stopping; a second signal stops at once');
  await relay.stop();
  await examined;
}

/** What the doctor finds, beside the relay's work; neither delays the start nor fails the run. */
async function logFindings(options: RelayOptions, logger: Logger, signal: AbortSignal) {
  try {
    const { findings } = await diagnose(options, { signal });
    if (signal.aborted) return; // given up: what was not answered says nothing
    for (const { check, severity, found, breaks, mend } of findings) {
      if (severity !== 'warning' && severity !== 'error') continue;
      logger.warn({ check, severity, breaks, mend }, found);
    }
  } catch (error) {
    logger.warn({ cause: String(error) }, 'the doctor failed; the relay goes on');
  }
}

/** Resolves with the signal's name once there is one. */
function nameOf(interrupted: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (interrupted.aborted) return resolve(interrupted.reason);
    interrupted.addEventListener('abort', () => resolve(interrupted.reason), { once: true });
  });
}
