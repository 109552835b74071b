/** What is held at the end of a run: the claims of the file, and those of every scenario. */
import { percentile } from '../report.ts';
import type { CallBook } from './calls.ts';
import type { Claims } from './claims.ts';
import type { Plan } from './plan.ts';
import type { Sights } from './sights.ts';

/** Faults of a kind that are told. */
const TOLD_MAX = 4;

/** What the run came to. */
export interface Ended {
  readonly plan: Plan;
  readonly claims: Claims;
  readonly calls: CallBook;
  readonly sights: Sights;
  readonly figures: Record<string, number>;
  /** What could not be carried out. */
  readonly errors: readonly string[];
  /** Since the last start of a late node; undefined when there was none. */
  readonly sinceStartMs: () => number | undefined;
}

/** Holds all of it, and adds the verdicts to `claims`. */
export async function holdAfter(ended: Ended): Promise<void> {
  const { plan, claims, figures, sinceStartMs } = ended;
  const timed = plan.after.filter((claim) => 'withinMs' in claim);
  await Promise.all(
    timed.map(async (claim) => {
      const verdict = await claims.hold(claim);
      const sinceMs = sinceStartMs();
      if (claim.that === 'known' && verdict.pass && sinceMs !== undefined) {
        figures['knownMs'] = sinceMs;
      }
      claims.add(verdict);
    }),
  );
  holdCalls(ended);
  for (const claim of plan.after) {
    if (claim.that !== 'at-most' && claim.that !== 'at-least') continue;
    const measured = figures[claim.figure] ?? Number.NaN;
    const pass = claim.that === 'at-most' ? measured <= claim.value : measured >= claim.value;
    claims.add({ claim: `${claim.figure} ${claim.that}`, pass, measured, limit: claim.value });
  }
  holdNever(ended);
}

/** Each call has one answer, its own, or is told why not. */
function holdCalls({ plan, claims, calls, figures }: Ended): void {
  const times = calls.points.map(({ ms }) => ms);
  figures['callP50Ms'] = percentile(times, 0.5);
  figures['callP99Ms'] = percentile(times, 0.99);
  const { answered, gone, sent, silent, strays, wrong } = calls.tally();
  const lost = silent + wrong + strays;
  claims.add({
    claim: 'calls lost in silence',
    pass: lost === 0,
    measured: lost,
    limit: 0,
  });
  for (const claim of plan.after) {
    if (claim.that !== 'answered') continue;
    const measured = answered / Math.max(1, sent - gone);
    claims.add({
      claim: 'share of calls that had their own answer',
      pass: measured >= claim.share,
      measured,
      limit: claim.share,
      ...(calls.reasons.size === 0 ? {} : { detail: calls.whys() }),
    });
  }
}

function holdNever({ plan, claims, sights, errors }: Ended): void {
  const { broken } = sights;
  if (plan.during.length > 0) {
    const words = [...new Set(plan.during.map(({ never }) => never))].join(' or ');
    claims.add({
      claim: `${words} although they live`,
      pass: broken.length === 0,
      measured: broken.length,
      limit: 0,
      ...(broken.length === 0 ? {} : { detail: broken.slice(0, TOLD_MAX).join('; ') }),
    });
  }
  if (errors.length > 0) {
    claims.add({
      claim: 'each event could be carried out',
      pass: false,
      detail: errors.slice(0, TOLD_MAX).join('; '),
    });
  }
}
