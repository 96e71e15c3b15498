/** `outbox-relay redrive`, `skip` and `purge`: what becomes of held events. */
import type { Command } from 'commander';
import type { ActVerb } from '../admin/operator.ts';
import { UsageError } from '../core/errors.ts';
import { addFilters, filterOf, limitOf, refuseEmpty } from './filters.ts';
import type { Flags } from './options.ts';
import { actOptions, addAct, printReport, withOperator } from './with-operator.ts';

interface Told {
  readonly description: string;
  readonly reason: string;
  readonly examples: string;
}

const told: Readonly<Record<ActVerb, Told>> = {
  redrive: {
    description: 'Send held events again, with a new budget of retries; their keys follow.',
    reason: 'why, for the audit',
    examples: `
  outbox-relay redrive --db shop.db --topic orders --code MESSAGE_TOO_LARGE --dry-run
  outbox-relay redrive --db shop.db --topic orders --key customer-7
  outbox-relay redrive --db shop.db --all --limit 100`,
  },
  skip: {
    description: 'Take held events out, so that their keys go on without them.',
    reason: 'why, for the audit; must be given',
    examples: `
  outbox-relay skip --db shop.db --seq 42 --reason "sent by hand"`,
  },
  purge: {
    description: 'Delete held events and their payloads for ever; their keys go on.',
    reason: 'why, for the audit; must be given',
    examples: `
  outbox-relay purge --db shop.db --topic tests --state dead --reason "never meant for Kafka"`,
  },
};

export function addActCommands(program: Command): void {
  for (const verb of ['redrive', 'skip', 'purge'] as const) {
    const { description, reason, examples } = told[verb];
    const command = program
      .command(verb)
      .description(description)
      .option('--limit <N>', 'at most so many events, the oldest first (default: 1000)')
      .option('--all', 'every held event')
      .addHelpText('after', `\nExamples:${examples}`);
    addFilters(addAct(command, reason)).action((flags: Flags) => act(verb, flags));
  }
}

function act(verb: ActVerb, flags: Flags): void {
  const filter = filterOf(flags);
  refuseEmpty(filter, flags);
  const { reason = '', ...options } = actOptions(flags);
  if (verb !== 'redrive' && reason === '') throw new UsageError(`${verb} needs --reason`);
  withOperator(flags, (operator) => {
    const report = operator[verb](filter, { ...options, ...limitOf(flags), reason });
    printReport(report, report.changed === 1 ? 'event' : 'events', flags);
  });
}
