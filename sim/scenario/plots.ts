/** The plots of a run on real nodes, over time. */
import type { CallBook } from './calls.ts';
import type { Plot, Sample } from './report.ts';

/** Convergence, CPU, bytes, and calls where there were some. */
export function plotsOf(samples: readonly Sample[], calls: CallBook): readonly Plot[] {
  const over = (pick: (sample: Sample) => number): readonly (readonly [number, number])[] =>
    samples.map((sample) => [sample.atMs / 1000, pick(sample)] as const);
  const time = 'seconds';
  const curve = (title: string, points: Plot['curves'][number]['points']): Plot['curves'] => [
    { title, points },
  ];
  const done = calls.points.toSorted((a, b) => a.atMs - b.atMs);
  return [
    {
      title: 'Convergence',
      x: time,
      y: '% of pairs alive',
      curves: curve(
        'known',
        over(({ known }) => known * 100),
      ),
    },
    {
      title: 'CPU',
      x: time,
      y: '% of a core a node',
      curves: curve(
        'CPU',
        over(({ cpu }) => cpu * 100),
      ),
    },
    {
      title: 'Bytes',
      x: time,
      y: 'kB/s a node',
      curves: curve(
        'bytes',
        over(({ kilobytes }) => kilobytes),
      ),
    },
    ...(done.length === 0
      ? []
      : [
          {
            title: 'Calls',
            x: time,
            y: 'ms',
            curves: [
              {
                title: 'answered',
                points: done
                  .filter(({ ok }) => ok)
                  .map(({ atMs, ms }) => [atMs / 1000, ms] as const),
              },
              {
                title: 'failed',
                points: done
                  .filter(({ ok }) => !ok)
                  .map(({ atMs, ms }) => [atMs / 1000, ms] as const),
              },
            ],
          },
        ]),
  ];
}
