/**
 * What learning is worth, with intervals, and where it is worth nothing. The worlds are made up by a program: the figures say
 * that what was measured is put to use, and nothing of any real model.
 */
import { atLeast, atMost, renderBars, table } from '../bars.ts';
import type { Bar } from '../bars.ts';
import type { LearnSize } from '../size.ts';
import { measureExperiences } from './experiences.ts';
import type { ExperiencesFigures, ExperiencesRow } from './experiences.ts';
import type { Interval } from './intervals.ts';
import { measureWays } from './ways.ts';
import type { WaysFigures, WaysRow } from './ways.ts';

/** What was measured; parts that were left out are absent. */
export interface LearnFigures {
  readonly ways?: WaysFigures;
  readonly experiences?: ExperiencesFigures;
  readonly bars: readonly Bar[];
}

type Measured = Omit<LearnFigures, 'bars'>;

/** Runs all parts, or those that `only` names: `ways`, `experiences`. */
export async function benchLearn(
  { seeds, messages, taskSeeds, tasks }: LearnSize,
  only: readonly string[],
  print: (text: string) => void,
): Promise<LearnFigures> {
  const isWanted = (part: keyof Measured): boolean => only.length === 0 || only.includes(part);
  const measured: Measured = {
    ...(isWanted('ways') ? { ways: measureWays(seeds, messages) } : {}),
    ...(isWanted('experiences') ? { experiences: await measureExperiences(taskSeeds, tasks) } : {}),
  };
  const bars = judge(measured);
  print(render(measured) + renderBars(bars));
  return { ...measured, bars };
}

/** Of a gain its low end counts, and of what should be none its mean and that the interval has zero in it. */
function judge({ ways, experiences }: Measured): readonly Bar[] {
  return [
    ...(ways === undefined
      ? []
      : [
          atLeast('learn: the best way breaks: gain, low end', 0.04, ways.breaks.gain.low),
          atLeast(
            'learn: the best way breaks: by forgetting, low end',
            0.1,
            ways.breaks.byForgetting.low,
          ),
          atLeast('learn: one way is best: gain, low end', 0.15, ways.stays.gain.low),
          atMost('learn: ways alike: gain, either way', 0.02, Math.abs(ways.alike.gain.mean)),
          atMost('learn: a dearer way: cost, × at random, high end', 0.9, ways.dearer.cost.high),
          atLeast('learn: a dearer way: what is lost by it, low end', -0.03, ways.dearer.gain.low),
        ]),
    ...(experiences === undefined
      ? []
      : [
          atLeast(
            'learn: tickets that come again: gain, low end',
            0.2,
            experiences.familiar.gain.low,
          ),
          atMost(
            'learn: unrelated tickets: gain, either way',
            0.05,
            Math.abs(experiences.unrelated.gain.mean),
          ),
        ]),
  ];
}

function render({ ways, experiences }: Measured): string {
  return [
    SYNTHETIC,
    ways === undefined ? '' : waysTable(Object.values(ways)),
    experiences === undefined ? '' : experiencesTable(Object.values(experiences)),
  ].join('');
}

const SYNTHETIC =
  'SYNTHETIC: a program has made these worlds up, and no model was asked. Shares of successes; intervals of 95 %.\n\n';

function waysTable(rows: readonly WaysRow[]): string {
  return table(
    [
      'a way is chosen (second half)',
      'at random',
      'learned',
      'never forgets',
      'gain',
      'by forgetting',
      'cost ×',
    ],
    rows.map((row) => [
      `${row.title} (${row.seeds} seeds)`,
      share(row.random),
      share(row.learned),
      share(row.unforgetting),
      between(row.gain),
      between(row.byForgetting),
      between(row.cost),
    ]),
  );
}

function experiencesTable(rows: readonly ExperiencesRow[]): string {
  return table(
    ['a model is reminded', 'without', 'reminded', 'gain', 'reminders'],
    rows.map((row) => [
      `${row.title} (${row.seeds} × ${row.tasks})`,
      between(row.without),
      between(row.learned),
      between(row.gain),
      String(row.reminded),
    ]),
  );
}

function share({ mean }: Interval): string {
  return mean.toFixed(3);
}

function between({ high, low, mean }: Interval): string {
  return `${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}
