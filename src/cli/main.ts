#!/usr/bin/env node
/** The command line. With shell.ts the only place that ends the process or hears its signals. */
import { CommanderError } from 'commander';
import { UsageError } from '../core/errors.ts';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { describeError, errorJson } from './report.ts';
import { createShell } from './shell.ts';

/** Everything is closed when a command ends; what a defect leaves open must not keep us here. */
const lingerMs = 2_000;

/**
 * kafkajs arms timers with negative delays (tulios/kafkajs#1751): harmless, and not for users of
 * this command. The library leaves the warning alone: the process is not its own.
 */
function hideTimerWarning(): void {
  const emit = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = (...args: unknown[]) => {
    if (args[1] !== 'TimeoutNegativeWarning') emit(...args);
  };
}

/** A reader of our output that goes away (`| head`) is no error of ours. */
function endWithTheReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitCodes.ok.code);
  });
}

async function main(argv: readonly string[]): Promise<number> {
  let code = exitCodes.ok.code;
  const program = createProgram(createShell(), (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return exitCodes.ok.code; // help
    const error = thrown instanceof CommanderError ? usageError(thrown) : thrown;
    const json = argv.includes('--json');
    process.stderr.write(`${json ? errorJson(error) : describeError(error)}\n`);
    return exitCodeOf(error);
  }
}

function usageError({ message, code }: CommanderError): Error {
  const text = code === 'commander.help' ? 'no command was given' : message;
  return new UsageError(text.replace(/^error: /, ''));
}

hideTimerWarning();
endWithTheReader();
process.exitCode = await main(process.argv.slice(2));
setTimeout(() => process.exit(), lingerMs).unref();
