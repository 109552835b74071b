/** `docs/reference/metrics.md`: all figures that a node tells, from the table in `src/metrics/names.ts`. */
import { FIGURES } from '../../metrics/index.ts';
import type { Figure } from '../../metrics/index.ts';
import { code, page, table } from './markdown.ts';

/** `docs/reference/metrics.md`, a row for each figure. */
export function metricsPage(): string {
  return page(
    'Metrics',
    [
      'A node tells these figures at `/metrics` of its HTTP endpoint, to the operator and to keys of the scope `metrics`:',
      'see [operations](../operations.md#metrics). No label has an id, a name that somebody chose, or a text of a peer, so',
      'that the number of series is the same for every node.',
    ].join('\n'),
    [
      table(
        ['name', 'kind', 'labels', 'what it says'],
        Object.values(FIGURES).map((figure) => [
          code(figure.name),
          figure.type,
          labelsOf(figure),
          figure.help,
        ]),
      ),
    ],
  );
}

function labelsOf({ labels }: Figure): string {
  return Object.entries(labels)
    .map(([label, words]) => `${code(label)}${words.length === 0 ? '' : `: ${words.join(', ')}`}`)
    .join('; ');
}
