/** What the commands of this folder have in common: options, help, an exit code. */
export interface Command<Options extends { readonly help: boolean }> {
  readonly helpText: string;
  /** The options, or what is wrong with the arguments. */
  parse(args: readonly string[]): Options | string;
  /** Resolves with the exit code. */
  run(options: Options): Promise<number>;
}

/** Runs it with the arguments of this process, and sets the exit code. */
export async function runCommand<Options extends { readonly help: boolean }>(
  command: Command<Options>,
): Promise<void> {
  const options = command.parse(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n\n${command.helpText}`);
    process.exitCode = 2;
  } else if (options.help) {
    process.stdout.write(command.helpText);
  } else {
    process.exitCode = await command.run(options);
  }
}
