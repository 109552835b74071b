/** `starling llm stats` */
import { amountText } from '../../../core/words/amount-text.ts';
import { durationText } from '../../../core/time/duration.ts';
import type { LlmStatsResult } from '../../../models/types.ts';
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
    const rows = result.stats.map((one) => [
      one.model,
      `${one.caller}${one.onBehalfOf === undefined ? '' : ` for ${one.onBehalfOf}`}${one.task === undefined ? '' : ` (${one.task})`}`,
      one.failed === 0 ? `${one.calls}` : `${one.calls} (${one.failed} failed)`,
      `${one.hasEstimates ? '~' : ''}${one.inputTokens} + ${one.outputTokens}`,
      amountText(one.costMicroUsd, 'usd'),
      one.firstByteMs === 0 ? '–' : durationText(one.firstByteMs),
      durationText(one.totalMs),
    ]);
    const head = ['MODEL', 'CALLER', 'CALLS', 'TOKENS IN + OUT', 'COST', 'FIRST', 'WHOLE'];
    return table(head, rows, { flexible: 1, wrap: true });
  });
}
