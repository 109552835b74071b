/** Asks models by the vendor's own SDK, in a process of its own whose CPU is the SDK's. */
import OpenAI from 'openai';
import { TEXT } from './job.ts';
import type { AskAnswer, AskJob, AskResult, Asked, Way } from './job.ts';

const QUESTION = 'Say twenty words, please.';

interface Seen {
  readonly firstMs: number[];
  readonly wholeMs: number[];
  readonly faults: Record<string, number>;
  answered: number;
}

async function ask(job: AskJob): Promise<AskResult> {
  const clients = job.ways.map(
    ({ baseURL, apiKey }) => new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 120_000 }),
  );
  const seen = job.ways.map((): Seen => ({ firstMs: [], wholeMs: [], faults: {}, answered: 0 }));
  const endAt = job.durationMs === undefined ? Infinity : performance.now() + job.durationMs;
  const all = job.count * job.ways.length;
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < all && performance.now() < endAt) {
      const at = next;
      next += 1;
      const which = at % job.ways.length;
      const [client, way, mine] = [clients[which], job.ways[which], seen[which]];
      if (client === undefined || way === undefined || mine === undefined) return;
      await once(client, way, { job, at }, mine);
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: job.callers }, caller));
  const { user, system } = process.cpuUsage(before);
  const ways = job.ways.map(({ title }, at): Asked => {
    const { firstMs = [], wholeMs = [], faults = {}, answered = 0 } = seen[at] ?? {};
    // Ten minutes of a thousand callers are more than a message between processes should hold.
    const some = <Item>(items: readonly Item[]): readonly Item[] => items.slice(0, 20_000);
    return { title, firstMs: some(firstMs), wholeMs: some(wholeMs), faults, answered };
  });
  return { ways, cpuUs: user + system };
}

async function once(
  client: OpenAI,
  { model }: Way,
  { job, at }: { readonly job: AskJob; readonly at: number },
  seen: Seen,
): Promise<void> {
  const content = job.isSame === true ? QUESTION : `${QUESTION} ${at}`;
  const messages = [{ role: 'user' as const, content }];
  const temperature = job.isSame === true ? 0 : 1;
  const startedAt = performance.now();
  try {
    const text = job.isStream
      ? await streamedText(client, { model, messages, temperature }, () =>
          seen.firstMs.push(performance.now() - startedAt),
        )
      : ((await client.chat.completions.create({ model, messages, temperature })).choices[0]
          ?.message.content ?? '');
    if (text !== TEXT) throw new Error(`${text.length} of ${TEXT.length} characters came`);
    seen.wholeMs.push(performance.now() - startedAt);
    seen.answered += 1;
  } catch (error) {
    const said = wordsOf(error).slice(0, 300);
    seen.faults[said] = (seen.faults[said] ?? 0) + 1;
  }
}

/** With what the SDK has it from: "Connection error." alone says nothing. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} ${wordsOf(error.cause)}`;
}

async function streamedText(
  client: OpenAI,
  request: Omit<OpenAI.ChatCompletionCreateParamsStreaming, 'stream'>,
  begun: () => void,
): Promise<string> {
  const stream = await client.chat.completions.create({ ...request, stream: true });
  let text = '';
  let isWhole = false;
  for await (const { choices } of stream) {
    const [choice] = choices;
    const piece = choice?.delta.content ?? '';
    if (text === '' && piece !== '') begun();
    text += piece;
    isWhole ||= choice?.finish_reason === 'stop';
  }
  if (!isWhole) throw new Error('the stream ended in the middle');
  return text;
}

process.on('message', (job: AskJob) => {
  void ask(job).then(
    (result) => process.send?.(result satisfies AskAnswer),
    (error: unknown) => process.send?.({ error: String(error) } satisfies AskAnswer),
  );
});
process.on('disconnect', () => process.exit());
