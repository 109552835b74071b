/**
 * A client that does all right: it calls a tool over and over, its ids and progress tokens count from 0
 * like everybody's, and whatever comes back must carry the nonce of the very call.
 */
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Connection } from './connections.ts';
import { GOOD } from './judge.ts';

const CALLS_AT_ONCE = 3;
/** Between two calls: enough of them meet what is hostile, and the processor is left to that. */
const PAUSE_MS = 10;
const ANSWER_TIMEOUT_MS = 60_000;

/** A client at work. */
export interface WellBehaved {
  /** Calls that were answered so far. */
  calls(): number;
  /** Ends it, and gives how many calls were answered and what was wrong. */
  stop(): Promise<{ readonly calls: number; readonly wrongs: readonly string[] }>;
}

type Frame = Record<string, unknown>;

/** Asks once: gives all frames up to the answer. */
type Ask = (id: number, body: string) => Promise<readonly Frame[]>;

/** `initialize` as such a client sends it. */
export const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 'init',
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'well-behaved', version: '1' },
  },
});

function work(name: string, tool: string, ask: Ask, close: () => void): WellBehaved {
  const wrongs: string[] = [];
  let calls = 0;
  let stopped = false;
  const isStopped = (): boolean => stopped;
  const one = async (id: number): Promise<void> => {
    const nonce = `${GOOD}${name}-${id}`;
    const _meta = { progressToken: id };
    const params = { name: tool, arguments: { message: nonce }, _meta };
    const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params });
    const frames = await ask(id, body);
    for (const frame of frames) {
      const text = JSON.stringify(frame);
      const isOwn = frame['id'] === id || frame['method'] === 'notifications/progress';
      if (isOwn && !text.includes(`"${nonce}"`)) wrongs.push(`${nonce} got ${text.slice(0, 300)}`);
    }
    calls += 1;
  };
  const loop = async (from: number): Promise<void> => {
    for (let id = from; !isStopped(); id += CALLS_AT_ONCE) {
      await one(id);
      await new Promise((resolve) => {
        setTimeout(resolve, PAUSE_MS);
      });
    }
  };
  const loops = Promise.all(Array.from({ length: CALLS_AT_ONCE }, (_, from) => loop(from))).catch(
    (error: unknown) => {
      wrongs.push(`${name}: ${String(error)}`);
    },
  );
  return {
    calls: () => calls,
    async stop() {
      stopped = true;
      await loops;
      close();
      return { calls, wrongs };
    },
  };
}

/** Works over a connection. */
export async function workOver(
  name: string,
  tool: string,
  connection: Connection,
): Promise<WellBehaved> {
  const asked = new Map<unknown, { frames: Frame[]; done: (frames: Frame[]) => void }>();
  const listen = async (): Promise<void> => {
    while (!connection.isClosed) {
      for (const text of connection.take()) {
        const frame = JSON.parse(text) as Frame;
        const params = (frame['params'] ?? {}) as Frame;
        const isAnswer = frame['method'] === undefined;
        const wanted = asked.get(isAnswer ? frame['id'] : params['progressToken']);
        wanted?.frames.push(frame);
        // An answer that nobody waits for is somebody else's.
        if (isAnswer && wanted === undefined) throw new Error(`unasked: ${text.slice(0, 300)}`);
        if (isAnswer) wanted?.done(wanted.frames);
      }
      await connection.heard();
    }
  };
  const ask = (id: unknown, body: string): Promise<Frame[]> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${body}`)), ANSWER_TIMEOUT_MS);
      asked.set(id, {
        frames: [],
        done(frames) {
          clearTimeout(timer);
          asked.delete(id);
          resolve(frames);
        },
      });
      connection.send([Buffer.from(body)]);
    });
  const failed = listen().catch((error: unknown) => String(error));
  await ask('init', INITIALIZE);
  connection.send([Buffer.from('{"jsonrpc":"2.0","method":"notifications/initialized"}')]);
  const working = work(name, tool, ask, () => connection.close());
  return {
    calls: () => working.calls(),
    async stop() {
      const { calls, wrongs } = await working.stop();
      const why = await failed;
      return { calls, wrongs: why === undefined ? wrongs : [...wrongs, why] };
    },
  };
}

/** Works over Streamable HTTP. Gives its session's id, too: to be guessed by others. */
export async function workOverHttp(
  name: string,
  tool: string,
  url: string,
  token: string,
): Promise<WellBehaved & { readonly sessionId: string }> {
  let sessionId = '';
  const ask = async (_: unknown, body: string): Promise<readonly Frame[]> => {
    const posting = request(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        ...(sessionId === '' ? {} : { 'mcp-session-id': sessionId }),
      },
    });
    posting.end(body);
    const [answer] = (await once(posting, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text}`);
    sessionId = String(answer.headers['mcp-session-id'] ?? sessionId);
    return framesOf(text);
  };
  await ask(0, INITIALIZE);
  return { sessionId, ...work(name, tool, ask, () => undefined) };
}

/** The messages in a body: JSON, or an event stream. */
export function framesOf(body: string): readonly Frame[] {
  if (body.trim() === '') return [];
  if (!body.startsWith('event:') && !body.startsWith(':')) {
    const given = JSON.parse(body) as Frame | Frame[];
    return Array.isArray(given) ? given : [given];
  }
  return body
    .split('\n\n')
    .flatMap((event) => /^data: (.*)$/m.exec(event)?.[1] ?? [])
    .map((data) => JSON.parse(data) as Frame);
}
