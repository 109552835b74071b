/** `starling llm stats`, and `starling model stats` */
import { amountText } from '../../../core/words/amount-text.ts';
import { durationText } from '../../../core/time/duration.ts';
import type { LlmStatsResult, ModelQuality, ModelStats } from '../../../models/types.ts';
import { withNode } from '../../node/locate-node.ts';
import { printData, table } from '../../terminal/output.ts';
import type { CommonOptions } from '../../options/common-options.ts';

interface StatsOptions extends CommonOptions {
  readonly model?: string;
  readonly limit?: number;
}

/** Prints what went through. */
export async function run({ model, limit, ...options }: StatsOptions): Promise<void> {
  const args = {
    ...(model === undefined ? {} : { model }),
    ...(limit === undefined ? {} : { limit }),
  };
  const result = await withNode(options, (node) => node.builtin<LlmStatsResult>('llm_stats', args));
  printData(result, options.json === true, () => {
    if (result.stats.length === 0) return 'no model was asked yet; see: starling model list';
    // What nobody has measured has no column.
    const isMeasured = result.stats.some(({ quality }) => quality !== undefined);
    const rows = result.stats.map((one) => [
      one.model,
      `${one.caller}${behalfText(one)}${one.task === undefined ? '' : ` (${one.task})`}`,
      callsText(one),
      `${one.hasEstimates ? '~' : ''}${one.inputTokens} + ${one.outputTokens}`,
      `${one.hasGuessedPrices === true ? '≤ ' : ''}${amountText(one.costMicroUsd, 'usd')}`,
      one.firstByteMs === 0 ? '–' : durationText(one.firstByteMs),
      one.batched === one.calls ? '–' : durationText(one.totalMs),
      ...(isMeasured ? [qualityText(one.quality)] : []),
    ]);
    const head = ['MODEL', 'CALLER', 'CALLS', 'TOKENS IN + OUT', 'COST', 'FIRST', 'WHOLE'];
    return table([...head, ...(isMeasured ? ['QUALITY'] : [])], rows, { flexible: 1, wrap: true });
  });
}

function callsText({ batched = 0, calls, failed }: ModelStats): string {
  const parts = [
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(batched === 0 ? [] : [`${batched} in batches`]),
  ];
  return parts.length === 0 ? `${calls}` : `${calls} (${parts.join(', ')})`;
}

/** A peer is named with whom it calls for. */
const SAYS_WHOM = / for (?:its client|the agent)\b/;

/** For whom the caller called, where its name does not say so. */
function behalfText({ caller, onBehalfOf }: ModelStats): string {
  return onBehalfOf === undefined || SAYS_WHOM.test(caller) ? '' : ` for ${onBehalfOf}`;
}

function qualityText({ checks, grades, votes }: ModelQuality = {}): string {
  const parts = [
    ...(checks === undefined ? [] : [`checks ${checks.passed} of ${checks.of}`]),
    ...(votes === undefined ? [] : [`votes ${votes.agreed} of ${votes.of}`]),
    ...(grades === undefined ? [] : [`graded ${grades.mean.toFixed(2)} (${grades.of})`]),
  ];
  return parts.length === 0 ? '–' : parts.join(', ');
}
