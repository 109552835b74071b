/** How the commands of batches show one. */
import { amountText } from '../../../../core/words/amount-text.ts';
import type { BatchView } from '../../../../models/types.ts';
import { ago } from '../../../terminal/output.ts';

/** What of an id is shown: enough to name the batch. */
export const ID_SHOWN = 8;

/** One batch as a line of a table: id, state, model, requests, cost, age. */
export function batchRow(batch: BatchView): string[] {
  const { createdAt, id, model, reason, state } = batch;
  return [
    id.slice(0, ID_SHOWN),
    reason === undefined ? state : `${state}: ${reason}`,
    model,
    requestsText(batch),
    costText(batch),
    ago(createdAt),
  ];
}

/** `198 of 200 answered`, or `200`. */
export function requestsText({ answered, requests }: BatchView): string {
  return answered === undefined ? `${requests}` : `${answered} of ${requests} answered`;
}

/** What it did cost; with `≤` where nobody knows the price. */
export function costText({ costMicroUsd, hasGuessedPrice }: BatchView): string {
  if (costMicroUsd === undefined) return '–';
  return `${hasGuessedPrice === true ? '≤ ' : ''}${amountText(costMicroUsd, 'usd')}`;
}
