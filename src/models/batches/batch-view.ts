/** A batch as people see it, and why it does not take what is asked of it. Pure. */
import { StarlingError } from '../../core/index.ts';
import { nameOf } from '../../guard/index.ts';
import { nameText } from '../names.ts';
import type { BatchRow } from './batch-rows.ts';
import { KEPT_MS } from './limits.ts';
import type { BatchState, BatchView } from '../types.ts';

const ID_SHOWN = 8;

/** Whether nothing is to be done with the batch any more. */
export function isOver({ step }: Pick<BatchRow, 'step'>): boolean {
  return step === 'over';
}

/** The view of a batch; `reason` is what went wrong last with one that is not over. */
export function viewOf(row: BatchRow & { readonly reason?: string }): BatchView {
  const { added, by, createdAt, id, model, over, price, provider, requests } = row;
  const reason = over === undefined ? row.reason : over.reason;
  return {
    id,
    model: nameText({ provider, model }),
    caller: nameOf(by),
    state: stateOf(row),
    ...(reason === undefined ? {} : { reason }),
    requests,
    ...(over === undefined
      ? {}
      : {
          answered: over.answered,
          failed: over.failed,
          endedAt: over.at,
          keptUntil: over.at + KEPT_MS,
          tokens: over.tokens,
          costMicroUsd: over.costMicroUsd,
        }),
    createdAt,
    ...(price.source === 'unknown' ? { hasGuessedPrice: true } : {}),
    ...(added === undefined ? {} : { added }),
  };
}

function stateOf({ isUnwanted, over, step }: BatchRow): BatchState {
  if (over !== undefined) return over.outcome;
  if (isUnwanted === true) return 'cancelling';
  return step === 'running' ? 'running' : 'sending';
}

/** Answers are there once all are. */
export function notYet(row: BatchRow): StarlingError {
  const id = row.id.slice(0, ID_SHOWN);
  return new StarlingError('STARLING_BATCH_REFUSED', `batch ${id} is ${stateOf(row)}`, {
    hint: `its answers are there once it is over: starling llm batch list; or stop it: starling llm batch cancel ${id}`,
    data: { reason: 'running', batch: row.id },
  });
}

/** What is over is not stopped. */
export function closedBatch(row: BatchRow): StarlingError {
  const id = row.id.slice(0, ID_SHOWN);
  return new StarlingError('STARLING_BATCH_REFUSED', `batch ${id} is over: ${stateOf(row)}`, {
    hint: `forget it with its answers: starling llm batch cancel ${id} --forget`,
    data: { reason: 'over', batch: row.id },
  });
}
