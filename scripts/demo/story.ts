/**
 * The story: what is broken, when, and what must be seen before the next thing is broken.
 *
 *     publish ────────────────────────────────────────────────────────────────► done
 *        broker SIGKILL ── outage ── broker started ── probe answers ── drain
 *                                            Redis FLUSHALL, a third of the backlog drained
 *                                                             relay SIGKILL, started again at once
 *
 * Moments that belong to a state wait for that state, not for a time; the publisher never stops.
 */
import type { OutageTimes } from './recovery.ts';
import type { Stage } from './stage.ts';

export interface Story {
  readonly times: OutageTimes;
  readonly pendingAtFlush: number;
  readonly pendingAtRelayKill: number;
  /** Kills of broker and relay: each explains one batch per lane of repeats. */
  readonly kills: number;
  /** How often the relay died by itself. */
  readonly relayCrashes: number;
}

export interface StoryPlan {
  readonly brokerKillSeconds: number;
  readonly outageSeconds: number;
  readonly relayKillSeconds: number;
}

/** Share of the backlog that is drained when Redis is flushed. */
const flushAfterShare = 1 / 3;
const brokerBackMaxSeconds = 90;
const drainMaxSeconds = 60;
/** Longer than any pause of a working relay: lease, retry delay, a stalled job. */
const stuckAfterSeconds = 60;
const askEveryMs = 250;

/** Plays it through. Rejects when the broker does not come back, or a process ends early. */
export async function playStory(stage: Stage, plan: StoryPlan): Promise<Story> {
  await stage.waits.until(() => stage.publishingSeconds() >= plan.brokerKillSeconds);
  const outage = await breakBroker(stage, plan.outageSeconds);
  const pendingAtFlush = await flushMidDrain(stage, outage.recordsBefore);
  const pendingAtRelayKill = await killRelay(stage, plan.relayKillSeconds);
  stage.now('nothing is broken; the rest is published');
  const { accepted } = await stage.published;
  stage.tell(`all ${accepted} events are accepted`);
  await settle(stage, accepted);
  const relayCrashes = stage.running.relay.crashes;
  return { times: outage.times, pendingAtFlush, pendingAtRelayKill, kills: 2, relayCrashes };
}

async function breakBroker(stage: Stage, outageSeconds: number) {
  stage.now('killing the broker');
  await stage.killBroker();
  const killedAtMs = Date.now();
  const probe = stage.startProbe();
  const recordsBefore = stage.records();
  stage.tell(`Kafka is killed (SIGKILL) and stays dead for ${outageSeconds} s`);
  const deadSeconds = () => (Date.now() - killedAtMs) / 1_000;
  await stage.waits.until(() => {
    const left = Math.max(0, Math.ceil(outageSeconds - deadSeconds()));
    stage.now(`Kafka is dead, started again in ${left} s; publishing goes on`);
    return deadSeconds() >= outageSeconds;
  });
  const startedAtMs = Date.now();
  await stage.startBroker();
  stage.tell('Kafka is started again');
  stage.now('Kafka recovers its log; publishing goes on');
  const answered = await stage.waits.before(brokerBackMaxSeconds, probe.next('answered'));
  if (answered === null) {
    throw new Error(`Kafka did not answer within ${brokerBackMaxSeconds} s of its start`);
  }
  stage.tell('Kafka answers the probe; the backlog drains');
  return { recordsBefore, times: { killedAtMs, startedAtMs, answeredAtMs: answered.atMs } };
}

async function flushMidDrain(stage: Stage, recordsBefore: number): Promise<number> {
  stage.now('the backlog drains; Redis is flushed in the middle of it');
  const goal = (stage.accepted() - recordsBefore) * flushAfterShare;
  const drained = () => stage.records() - recordsBefore >= goal;
  const inTime = await stage.waits.until(drained, drainMaxSeconds);
  if (!inTime) stage.tell(`the drain did not begin within ${drainMaxSeconds} s`);
  await stage.flushRedis();
  const pending = Math.max(0, stage.accepted() - stage.records());
  stage.tell(`Redis is flushed (FLUSHALL) with about ${pending} events waiting`);
  return pending;
}

/** The relay dies only after it was seen to drain the rest without what Redis had held. */
async function killRelay(stage: Stage, atSeconds: number): Promise<number> {
  stage.now('the relay goes on without what Redis knew');
  const waiting = stage.accepted();
  const drained = () => stage.records() >= waiting;
  if (!(await stage.waits.until(drained, drainMaxSeconds))) {
    stage.tell(`the backlog is not drained after ${drainMaxSeconds} s`);
  }
  await stage.waits.until(() => stage.publishingSeconds() >= atSeconds);
  await stage.killRelay();
  const acceptedBefore = stage.accepted();
  const pending = Math.max(0, acceptedBefore - stage.records());
  stage.tell('the relay is killed (SIGKILL); its supervisor starts another one');
  stage.now('a new relay takes the lanes over');
  await stage.waits.until(() => stage.records() >= acceptedBefore, drainMaxSeconds);
  return pending;
}

/**
 * Waits until the topic holds as much as was accepted and `status` shows nothing pending; gives up
 * when nothing has arrived for long, and leaves it to the verdict to say what is missing.
 */
async function settle(stage: Stage, accepted: number): Promise<void> {
  stage.now('draining the rest');
  const seen = { records: -1, atMs: performance.now(), askedAtMs: 0 };
  const isStuck = () => performance.now() - seen.atMs > stuckAfterSeconds * 1_000;
  const isDrained = async () => {
    if (stage.records() !== seen.records) {
      seen.records = stage.records();
      seen.atMs = performance.now();
    }
    if (seen.records < accepted || performance.now() - seen.askedAtMs < askEveryMs) return false;
    seen.askedAtMs = performance.now();
    return (await stage.pending()) === 0;
  };
  await stage.waits.until(async () => (await isDrained()) || isStuck());
  if (!isStuck()) return stage.tell('nothing is pending');
  stage.tell(`nothing more arrived for ${stuckAfterSeconds} s; the verdict tells what is missing`);
}
