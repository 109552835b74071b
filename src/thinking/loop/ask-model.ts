/** One turn of a model: what was said so far, and the tools, go there; its text and the calls that it wants come back. */
import { StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { costOfUsage, followStream, readCall } from '../../models/index.ts';
import type { Models } from '../../models/index.ts';
import { ARGUMENTS_BYTES_MAX, CALLS_PER_TURN_MAX } from '../limits.ts';
import type { WantedCall } from '../types.ts';

/** One turn that is wanted. */
export interface TurnInit {
  readonly model: string;
  /** Whose model it is, and whose budget. */
  readonly asks: Principal;
  /** In the form of OpenAI's chat completions. */
  readonly messages: readonly Json[];
  readonly tools: readonly Json[];
  /** Counts are kept by it. */
  readonly task?: string | undefined;
  readonly signal: AbortSignal;
  /** Hears each piece of the text as it comes. */
  said(text: string): void;
}

/** What came back. */
export interface Turn {
  readonly text: string;
  readonly calls: readonly WantedCall[];
  readonly finish: string;
  readonly input: number;
  readonly output: number;
  /** Micro-dollars; absent where nobody knows the price, or several calls were paid. */
  readonly costMicroUsd?: number;
}

/** The models as a turn needs them; `about` says what one costs. */
export type TurnModels = Pick<Models, 'ask'> & Partial<Pick<Models, 'about'>>;

/** A call while its pieces come. */
interface Coming {
  id: string;
  tool: string;
  args: string;
}

/** More calls than are made are kept, so that each is told why it was not. */
const CALLS_MAX = 4 * CALLS_PER_TURN_MAX;

/**
 * Asks. The answer is read as a stream, so that it breaks off where its caller does.
 * @throws what `Models.ask` does, STARLING_MODEL_CUT, STARLING_LIMIT_EXCEEDED
 */
export async function askModel(
  models: TurnModels,
  init: TurnInit,
  messageBytes: number,
): Promise<Turn> {
  const { asks, messages, model, signal, task, tools } = init;
  const body: JsonObject = {
    model,
    messages: [...messages],
    stream: true,
    stream_options: { include_usage: true },
    ...(tools.length === 0 ? {} : { tools: [...tools] }),
  };
  const read = readCall('chat', Buffer.from(JSON.stringify(body)), {});
  const call = { ...read, ...(task === undefined ? {} : { task }) };
  const answer = await models.ask(call, asks, signal);
  const follower = followStream('openai', model, messageBytes);
  const text: string[] = [];
  const coming = new Map<number, Coming>();
  let finish = '';
  let sizeBytes = 0;
  for await (const chunk of answer.body) {
    sizeBytes += chunk.length;
    if (sizeBytes > messageBytes) throw tooLong(model, messageBytes);
    for (const event of follower.push(chunk)) {
      const choice = firstOf(event['choices']);
      const delta = isObject(choice['delta']) ? choice['delta'] : {};
      const { content } = delta;
      if (typeof choice['finish_reason'] === 'string') finish = choice['finish_reason'];
      takeCalls(coming, delta['tool_calls']);
      if (typeof content !== 'string' || content === '') continue;
      text.push(content);
      init.said(content);
    }
  }
  follower.end();
  const usage = answer.usage?.() ?? follower.usage();
  const cost = costOf(models, init, answer, usage);
  return {
    text: text.join(''),
    calls: callsOf(coming),
    finish,
    input: usage?.input ?? 0,
    output: usage?.output ?? 0,
    ...(cost === undefined ? {} : { costMicroUsd: cost }),
  };
}

function costOf(
  models: TurnModels,
  { asks, model }: TurnInit,
  { headers }: Awaited<ReturnType<Models['ask']>>,
  usage: Parameters<typeof costOfUsage>[1] | undefined,
): number | undefined {
  if (usage === undefined || headers['starling-calls-paid'] !== undefined) return undefined;
  const price = models.about?.(headers['starling-model'] ?? model, asks)?.price;
  if (price === undefined || price.source === 'unknown') return undefined;
  return costOfUsage(price, usage);
}

function takeCalls(coming: Map<number, Coming>, told: Json | undefined): void {
  for (const piece of Array.isArray(told) ? (told as readonly Json[]) : []) {
    if (!isObject(piece)) continue;
    const { id, index, function: called } = piece;
    const at = typeof index === 'number' ? index : coming.size;
    if (!coming.has(at) && coming.size >= CALLS_MAX) continue;
    const known = coming.get(at) ?? { id: '', tool: '', args: '' };
    coming.set(at, known);
    const { name, arguments: args } = isObject(called) ? called : {};
    if (typeof id === 'string' && known.id === '') known.id = id.slice(0, 128);
    if (typeof name === 'string' && known.tool === '') known.tool = name.slice(0, 256);
    if (typeof args === 'string' && known.args.length <= ARGUMENTS_BYTES_MAX) known.args += args;
  }
}

/** Each with an id of its own, so that no result goes to another's call. */
function callsOf(coming: ReadonlyMap<number, Coming>): readonly WantedCall[] {
  const used = new Set<string>();
  return [...coming.values()].map(({ id, tool, args }, index) => {
    let own = id;
    for (let more = 0; own === '' || used.has(own); more += 1) own = `call_${index}_${more}`;
    used.add(own);
    return { id: own, tool, args };
  });
}

function firstOf(choices: Json | undefined): JsonObject {
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  return isObject(first) ? (first as JsonObject) : {};
}

function tooLong(model: string, limitBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `model ${model} answered with more than ${limitBytes} bytes (limits.messageBytes)`,
    { hint: 'ask for less', data: { limit: 'limits.messageBytes' } },
  );
}
