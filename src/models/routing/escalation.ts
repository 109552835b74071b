/**
 * The smaller model first, the next where its answer is not good enough: every answer is whole before anybody sees of it, and
 * every call was paid for, whether its answer was taken or not.
 */
import { StarlingError } from '../../core/index.ts';
import type { ModelAnswer, ReadCall, Usage } from '../types.ts';
import { doubtOf, majorityOf } from './checks.ts';
import { readSaid } from './final-answer.ts';
import type { SaidAnswer } from './final-answer.ts';

/** The header that says how many of the answers that were asked for are the one that is given. */
export const VOTES = 'starling-votes';

/** One model's whole answer, and whether it was good enough. */
export interface Tried {
  readonly answer: ModelAnswer;
  /** Why not; undefined where it was. */
  readonly doubt?: string;
  /** Of all its calls. */
  readonly usages: readonly Usage[];
  /** Of an answer that has won a vote: `2/3`, two of three that were asked said so. */
  readonly votes?: string;
}

interface Whole {
  readonly answer: ModelAnswer;
  readonly said: SaidAnswer | undefined;
}

/**
 * Has one model answer, `votes` times at once, and looks at what it says. `answerBytes` bounds each answer.
 * @throws what asking does, where none of the calls has brought an answer
 */
export async function tryModel(
  call: ReadCall,
  init: { readonly votes: number; readonly answerBytes: number },
  ask: () => Promise<ModelAnswer>,
): Promise<Tried> {
  const asked = Array.from({ length: init.votes }, () => wholeOf(call, init.answerBytes, ask));
  const settled = await Promise.allSettled(asked);
  const wholes = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = settled.find((one) => one.status === 'rejected');
  const [first] = wholes;
  if (first === undefined) throw failed?.reason;
  const usages = wholes.flatMap(({ answer }) => answer.usage?.() ?? []);
  const doubts = wholes.map(({ said }) => doubtOf(call, said));
  for (const [at, { answer }] of wholes.entries()) {
    answer.found?.({ what: 'check', isPassed: doubts[at] === undefined });
  }
  const good = wholes.filter((_, at) => doubts[at] === undefined);
  const [chosen] = good;
  if (chosen === undefined) return { answer: first.answer, doubt: doubts[0] ?? 'empty', usages };
  if (init.votes === 1) return { answer: chosen.answer, usages };
  const said = good.flatMap((one) => (one.said === undefined ? [] : [one.said]));
  const agreed = majorityOf(said, init.votes);
  for (const [at, { answer }] of good.entries()) {
    answer.found?.({ what: 'vote', isAgreed: agreed.includes(at) });
  }
  const [at] = agreed;
  const taken = at === undefined ? undefined : good[at];
  if (taken === undefined) return { answer: chosen.answer, doubt: 'vote', usages };
  return { answer: taken.answer, usages, votes: `${agreed.length}/${init.votes}` };
}

/** What several calls took together. */
export function sumOf(usages: readonly Usage[]): Usage | undefined {
  if (usages.length === 0) return undefined;
  const add = (key: 'input' | 'output' | 'cachedInput' | 'cacheWrite' | 'imageInput'): number =>
    usages.reduce((sum, one) => sum + (one[key] ?? 0), 0);
  return {
    input: add('input'),
    output: add('output'),
    cachedInput: add('cachedInput'),
    cacheWrite: add('cacheWrite'),
    imageInput: add('imageInput'),
    ...(usages.some(({ isEstimated }) => isEstimated === true) ? { isEstimated: true } : {}),
  };
}

async function wholeOf(
  call: ReadCall,
  answerBytes: number,
  ask: () => Promise<ModelAnswer>,
): Promise<Whole> {
  const answer = await ask();
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of answer.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > answerBytes) throw tooLong(answerBytes);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks, sizeBytes);
  const said = readSaid(call.form, answer.isStream, bytes);
  return { answer: { ...answer, body: once(bytes) }, said };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function tooLong(limitBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `an answer that is to be checked is over ${limitBytes} bytes (limits.messageBytes)`,
    {
      hint: 'ask for less, or name a model in place of the route',
      data: { limit: 'limits.messageBytes' },
    },
  );
}
