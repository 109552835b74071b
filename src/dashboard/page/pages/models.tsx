/** Models: which may be used here, and what went through: calls, tokens, cost, speed, and quality where it was measured. */
import type { LlmStatsResult, ModelListResult, ModelQuality } from '../../../models/types.ts';
import { useLive } from '../live.ts';
import { Answer, Badge, Card, Command, Figure, Nothing, Table } from '../parts.tsx';
import type { Column } from '../parts.tsx';
import { ago, amount, count, latency } from '../words.ts';

/** What was used above, and below it which models there are. */
export function ModelsPage() {
  const models = useLive<ModelListResult>('model_list', {}, 10_000);
  const stats = useLive<LlmStatsResult>('llm_stats', { limit: 200 }, 5000);
  return (
    <>
      <Answer live={stats}>{({ stats: rows }) => <Usage rows={rows} />}</Answer>
      <Card title="Models">
        <Answer live={models}>
          {({ models: all, failures, providers = [] }) => (
            <>
              {all.length === 0 ? (
                <Nothing command="starling model add ollama --url http://127.0.0.1:11434">
                  No model may be used here yet.
                </Nothing>
              ) : (
                <Table
                  label="Models"
                  rows={all}
                  keyOf={({ name }) => name}
                  columns={[
                    { name: 'model', cell: ({ name }) => <b>{name}</b> },
                    {
                      name: 'where',
                      cell: ({ peer, isRoute }) =>
                        isRoute === true ? <Badge tone="info">route</Badge> : (peer ?? 'here'),
                    },
                    { name: 'short name', cell: ({ shortName = '–' }) => shortName },
                    {
                      name: 'size',
                      cell: ({ contextTokens, parameters }) =>
                        [
                          parameters,
                          contextTokens === undefined ? '' : `${count(contextTokens)} tokens`,
                        ]
                          .filter(Boolean)
                          .join(', ') || '–',
                    },
                  ]}
                />
              )}
              {failures.map(({ from, error }) => (
                <p class="hint" key={from}>
                  <Badge tone="bad">{from}</Badge> {error}
                </p>
              ))}
              {providers.flatMap(({ name, problems }) =>
                problems.map((problem) => (
                  <p class="hint" key={`${name}${problem}`}>
                    <Badge tone="warn">{name}</Badge> {problem}
                  </p>
                )),
              )}
            </>
          )}
        </Answer>
      </Card>
    </>
  );
}

function Usage({ rows }: { rows: LlmStatsResult['stats'] }) {
  const sum = (of: (row: LlmStatsResult['stats'][number]) => number): number =>
    rows.reduce((total, row) => total + of(row), 0);
  return (
    <>
      <dl class="figures">
        <Figure
          label="calls"
          value={count(sum(({ calls }) => calls))}
          detail={`${count(sum(({ failed }) => failed))} failed`}
        />
        <Figure
          label="tokens in"
          value={count(sum(({ inputTokens }) => inputTokens))}
          detail={`${count(sum((row) => row.cachedInputTokens))} from caches`}
        />
        <Figure label="tokens out" value={count(sum(({ outputTokens }) => outputTokens))} />
        <Figure
          label="cost"
          value={amount(
            sum(({ costMicroUsd }) => costMicroUsd),
            'usd',
          )}
          detail="by the table of prices"
        />
      </dl>
      {rows.length === 0 ? undefined : (
        <Card title="What went through" aside={<Command line="starling llm stats" />}>
          <Table
            label="Use of models, the last used first"
            rows={rows}
            keyOf={({ model, caller, task = '' }, index) => `${model} ${caller} ${task} ${index}`}
            columns={columnsOf(rows)}
          />
        </Card>
      )}
    </>
  );
}

type Row = LlmStatsResult['stats'][number];

/** What nobody has measured has no column. */
function columnsOf(rows: readonly Row[]): readonly Column<Row>[] {
  return [
    { name: 'model', cell: ({ model }) => <b>{model}</b> },
    { name: 'caller', cell: ({ caller, agent }) => agent ?? caller },
    {
      name: 'calls',
      isNumber: true,
      cell: ({ calls, failed }) => (failed > 0 ? `${calls} (${failed} failed)` : calls),
    },
    {
      name: 'tokens',
      isNumber: true,
      cell: ({ inputTokens, outputTokens, hasEstimates }) =>
        `${hasEstimates ? '≈ ' : ''}${count(inputTokens)} + ${count(outputTokens)}`,
    },
    {
      name: 'cost',
      isNumber: true,
      cell: ({ costMicroUsd, hasGuessedPrices }) =>
        `${hasGuessedPrices === true ? '≤ ' : ''}${amount(costMicroUsd, 'usd')}`,
    },
    {
      name: 'first byte',
      isNumber: true,
      cell: ({ firstByteMs }) => latency(firstByteMs),
    },
    { name: 'whole', isNumber: true, cell: ({ totalMs }) => latency(totalMs) },
    ...(rows.some(({ quality }) => quality !== undefined)
      ? [
          {
            name: 'quality',
            cell: ({ quality }: Row) => qualityText(quality),
          },
        ]
      : []),
    { name: 'last', isNumber: true, cell: ({ lastAt }) => ago(lastAt) },
  ];
}

/** What was measured, and nothing else. */
function qualityText({ checks, grades, votes }: ModelQuality = {}): string {
  const parts = [
    ...(checks === undefined ? [] : [`checks ${checks.passed} of ${checks.of}`]),
    ...(votes === undefined ? [] : [`votes ${votes.agreed} of ${votes.of}`]),
    ...(grades === undefined ? [] : [`graded ${grades.mean.toFixed(2)} (${grades.of})`]),
  ];
  return parts.length === 0 ? '–' : parts.join(', ');
}
