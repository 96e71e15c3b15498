/** Delivered of sent, per side and phase: the arithmetic of the comparison. Pure. */

export interface Sent {
  readonly phase: string;
  readonly sender: string;
  /** Grows per sender in the order of publishing. */
  readonly number: number;
}

/** A record as an independent consumer read it, in the order of its partition. */
export interface Arrived {
  readonly sender: string;
  readonly number: number;
}

export interface PhaseCount {
  readonly phase: string;
  readonly sent: number;
  readonly delivered: number;
}

export interface SideReport {
  readonly sent: number;
  readonly delivered: number;
  readonly lost: number;
  /** Records beyond the first one of an event. */
  readonly duplicated: number;
  /** First deliveries of a sender that came after a later one. */
  readonly reordered: number;
  readonly phases: readonly PhaseCount[];
}

export interface Comparison {
  readonly ours: SideReport;
  readonly original: SideReport;
}

const nameOf = ({ sender, number }: Arrived) => `${sender}/${number}`;

export function account(sent: readonly Sent[], arrived: readonly Arrived[]): SideReport {
  const seen = new Set<string>();
  const last = new Map<string, number>();
  let reordered = 0;
  for (const one of arrived) {
    if (seen.has(nameOf(one))) continue;
    seen.add(nameOf(one));
    const highest = last.get(one.sender) ?? 0;
    if (one.number < highest) reordered += 1;
    last.set(one.sender, Math.max(highest, one.number));
  }
  const phases = [...new Set(sent.map(({ phase }) => phase))].map((phase) => {
    const its = sent.filter((one) => one.phase === phase);
    const delivered = its.filter((one) => seen.has(nameOf(one))).length;
    return { phase, sent: its.length, delivered };
  });
  const delivered = phases.reduce((sum, one) => sum + one.delivered, 0);
  const lost = sent.length - delivered;
  const duplicated = arrived.length - seen.size;
  return { sent: sent.length, delivered, lost, duplicated, reordered, phases };
}

/** The table that people read. */
export function reportLines({ ours, original }: Comparison): string[] {
  const row = (what: string, left: string, right: string) =>
    `${what.padEnd(48)} ${left.padStart(12)} ${right.padStart(12)}`;
  const of = ({ delivered, sent }: { delivered: number; sent: number }) =>
    `${delivered} of ${sent}`;
  const phases = ours.phases.map((one, index) => {
    const other = original.phases[index] ?? { delivered: 0, sent: 0 };
    return row(one.phase, of(one), of(other));
  });
  return [
    row('delivered of sent', 'outbox-relay', 'original'),
    ...phases,
    row('all', of(ours), of(original)),
    row('lost', String(ours.lost), String(original.lost)),
    row('duplicated', String(ours.duplicated), String(original.duplicated)),
    row('out of order per sender', String(ours.reordered), String(original.reordered)),
  ];
}
