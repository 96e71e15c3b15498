/**
 * What a command may know of its process. Handed down by main.ts, which alone sets exit codes and
 * hears signals, so that a command is a function from options to an exit code.
 */
import { exitCodes } from './exit-codes.ts';

export interface Shell {
  /**
   * Aborted by the first SIGTERM or SIGINT; the reason is the signal's name. From the moment it is
   * read a second signal ends the process at once; unread, the first one does, as for any program.
   */
  readonly interrupted: AbortSignal;
}

/** 128 and the signal's number, as shells count. */
export function exitCodeOfSignal(signal: unknown): number {
  return (signal === 'SIGINT' ? exitCodes.interrupt : exitCodes.terminate).code;
}

export function createShell(): Shell {
  const controller = new AbortController();
  let listening = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(exitCodeOfSignal(signal));
    controller.abort(signal);
  };
  return {
    get interrupted() {
      if (!listening) {
        process.on('SIGINT', onSignal);
        process.on('SIGTERM', onSignal);
      }
      listening = true;
      return controller.signal;
    },
  };
}
