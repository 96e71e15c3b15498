/** `outbox-relay pause` and `resume`: all, a topic, or a lane; kept over restarts. */
import type { Command } from 'commander';
import type { PauseTarget } from '../admin/operator.ts';
import { UsageError } from '../core/errors.ts';
import type { Flags } from './options.ts';
import { actOptions, addAct, printReport, withOperator } from './with-operator.ts';

const examples = (verb: string) => `
Examples:
  outbox-relay ${verb} --db shop.db --all --reason "the cluster is moved"
  outbox-relay ${verb} --db shop.db --topic orders
  outbox-relay ${verb} --db shop.db --lane 3

Events go on being accepted. A paused topic's are set aside, the others of its lanes flow.`;

export function addPauseCommands(program: Command): void {
  for (const verb of ['pause', 'resume'] as const) {
    const command = program
      .command(verb)
      .description(
        verb === 'pause'
          ? 'Send nothing of a topic, a lane, or at all, until it is resumed.'
          : 'End a pause; with --all every one.',
      )
      .option('--all', 'every lane')
      .option('--topic <TOPIC>', 'this topic')
      .option('--lane <N>', 'this lane')
      .addHelpText('after', examples(verb));
    addAct(command, 'why, for the audit').action((flags: Flags) => {
      withOperator(flags, (operator) => {
        const report = operator[verb](targetOf(flags), actOptions(flags));
        printReport(report, report.changed === 1 ? 'topic or lane' : 'topics or lanes', flags);
      });
    });
  }
}

function targetOf({ all, topic, lane }: Flags): PauseTarget {
  const given = [all, topic, lane].filter((one) => one !== undefined);
  if (given.length !== 1) throw new UsageError('give one of --all, --topic and --lane');
  if (typeof topic === 'string') return { topic };
  return typeof lane === 'string' ? { lane: Number(lane) } : { all: true };
}
