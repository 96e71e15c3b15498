#!/usr/bin/env node
/** The command line. The only place that sets exit codes and handles signals, with its commands. */
import { CommanderError } from 'commander';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { describeError, errorJson } from './report.ts';

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

async function main(argv: readonly string[]): Promise<void> {
  hideTimerWarning();
  try {
    await createProgram().parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // commander has printed help or its message already
      process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage.code;
      return;
    }
    const json = argv.includes('--json');
    process.stderr.write(`${json ? errorJson(error) : describeError(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

await main(process.argv.slice(2));
