/** What a vendor's result is to the caller of its request, and what it took. */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import type { Cost } from '../../budget/index.ts';
import { costOfUsage } from '../prices/price-table.ts';
import type { KnownPrice } from '../prices/price-table.ts';
import { usageOfAnswer } from '../providers/dialects.ts';
import { planOf } from '../providers/plan.ts';
import type { Plan } from '../providers/plan.ts';
import type { Provider } from '../providers/provider.ts';
import { checkToolCalls } from '../providers/tool-arguments.ts';
import { vendorError } from '../providers/vendor-errors.ts';
import { readCall } from '../read-call.ts';
import type { BatchAnswer, ModelForm, Usage } from '../types.ts';
import type { RequestRow } from './batch-rows.ts';
import type { VendorResult } from './vendor-batches.ts';

/** Whose answers they are, in which form they were asked for, and at what price. */
export interface ReadingResults {
  readonly provider: Provider;
  /** By the provider's own name. */
  readonly model: string;
  readonly form: ModelForm;
  readonly price: KnownPrice;
  readonly clock: Clock;
  /** Largest answer that is kept. */
  readonly answerBytes: number;
}

/** What the caller is told of one request, and what is settled for it. */
export interface ReadResult {
  readonly answer: BatchAnswer;
  /** What the vendor has said that it took. */
  readonly usage?: Usage;
  readonly cost: Cost;
}

/** How a request is said to the provider. @throws STARLING_MODEL_UNSUPPORTED */
export function planOfRequest(
  { answerBytes, clock, form, model, provider }: Omit<ReadingResults, 'price'>,
  { body }: Pick<RequestRow, 'body'>,
): Plan {
  const call = readCall(form, Buffer.from(JSON.stringify(body)), {});
  return planOf(provider, call, { model, messageBytes: answerBytes, clock });
}

/** Reads the result of a request: an answer that is none, or is broken, was paid for all the same. */
export function readResult(
  reading: ReadingResults,
  request: RequestRow,
  result: VendorResult,
): ReadResult {
  const { model, provider } = reading;
  if (result.is !== 'answer' && result.is !== 'refusal') return unanswered(request, result.is);
  if (result.is === 'refusal') {
    const { body, status } = result;
    const said = provider.withoutKeys(body);
    const { name } = provider;
    const error = vendorError({
      provider: name,
      model,
      status,
      headers: {},
      body: said,
      now: reading.clock.now(),
    });
    return { answer: failed(request, error.code, error.message), cost: NOTHING };
  }
  const { answer } = result;
  const plan = planOfRequest(reading, request);
  const usage = paidUsage(provider, usageOfAnswer(plan.api, answer));
  const paid = costOf(reading, request, usage);
  try {
    checkToolCalls(plan.api, provider.name, answer);
    const said = plan.whole === undefined ? answer : plan.whole(answer);
    if (said === undefined) throw strange(provider);
    const kept = { custom_id: request.customId, response: said };
    const sizeBytes = Buffer.byteLength(JSON.stringify(kept));
    if (sizeBytes > reading.answerBytes) throw tooLarge(reading.answerBytes);
    return { answer: kept, ...paid };
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    return { answer: failed(request, error.code, messageOf(error)), ...paid };
  }
}

/** A request of which the vendor has told nothing: where it says that all were dealt with, it may have been paid for. */
export function resultLess(
  request: RequestRow,
  outcome: 'completed' | 'expired' | 'cancelled' | 'failed',
): ReadResult {
  if (outcome === 'expired' || outcome === 'cancelled') return unanswered(request, outcome);
  if (outcome === 'failed') {
    return {
      answer: failed(request, 'STARLING_MODEL_FAILED', 'the batch has failed'),
      cost: NOTHING,
    };
  }
  const text = 'the provider gave no answer to it, though the batch is completed';
  return { answer: failed(request, 'STARLING_MODEL_CUT', text), cost: request.worst };
}

/** It was paid for, and there is no room for it. */
export function withoutRoom({ answer, ...paid }: ReadResult, mostBytes: number): ReadResult {
  const { code, message } = tooLarge(mostBytes);
  return { answer: { custom_id: answer.custom_id, error: { code, message } }, ...paid };
}

const NOTHING: Cost = { tokens: 0, usd: 0, calls: 0 };

function unanswered(request: RequestRow, how: 'expired' | 'cancelled'): ReadResult {
  const text =
    how === 'expired'
      ? 'the batch expired before it was answered'
      : 'the batch was cancelled before it was answered';
  return { answer: failed(request, 'STARLING_MODEL_FAILED', text), cost: NOTHING };
}

/** OpenAI lists no price of its cache for batches of most models, so that all input counts as fresh. */
function paidUsage({ api }: Provider, usage: Usage | undefined): Usage | undefined {
  if (usage === undefined || api !== 'openai') return usage;
  const { cachedInput: _, ...fresh } = usage;
  return fresh;
}

function costOf(
  { price }: ReadingResults,
  request: RequestRow,
  usage: Usage | undefined,
): Pick<ReadResult, 'cost' | 'usage'> {
  if (usage === undefined) return { cost: { ...request.worst, calls: 1 } };
  const { input, output } = usage;
  return { usage, cost: { tokens: input + output, usd: costOfUsage(price, usage), calls: 1 } };
}

function failed({ customId }: RequestRow, code: string, message: string): BatchAnswer {
  return { custom_id: customId, error: { code, message } };
}

function strange({ name }: Provider): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_INVALID',
    `the answer of provider ${name} is none of its API`,
  );
}

function tooLarge(mostBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the answer is longer than what is kept of a batch: ${mostBytes.toLocaleString('en-US')} bytes`,
  );
}
