/** Single HTTP requests with whatever headers, and what a gateway owes for each of them. */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import fc from 'fast-check';
import { hear, nothingHeard } from './judge.ts';
import { INITIALIZE, framesOf } from './well-behaved.ts';
import { isObject, isOversize, isRequest, message, parse } from './messages.ts';

const ANSWER_TIMEOUT_MS = 60_000;
/** What listens for changes is heard for so long. */
const LISTEN_MS = 50;
const HEADER_SAFE = /^[\x20-\x7e]{1,200}$/;

/** Who may be posed as, and whose sessions there are. */
export interface Posing {
  readonly url: string;
  /** The operator's token. */
  readonly token: string;
  /** Somebody else's key. */
  readonly key: string;
  /** A session of the operator's that this must never get into with the key. */
  readonly guarded: string;
}

/** One request: a message, and how it is sent. */
export interface Post {
  readonly body: Buffer;
  readonly method: string;
  readonly path: string;
  readonly session: 'own' | 'none' | 'made-up' | 'guarded';
  readonly era: 'legacy' | 'modern' | 'odd';
  readonly type: string;
  readonly accept: string;
}

const BOTH = 'application/json, text/event-stream';

/** Mostly what a client would send. */
export const post: fc.Arbitrary<Post> = fc.record({
  body: message,
  method: fc.oneof(
    { weight: 20, arbitrary: fc.constant('POST') },
    { weight: 1, arbitrary: fc.constantFrom('PUT', 'DELETE', 'OPTIONS', 'GET', 'HEAD', 'PATCH') },
  ),
  path: fc.oneof(
    { weight: 12, arbitrary: fc.constant('') },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        '/up',
        '/starling',
        '/view/none',
        '/nobody/up',
        '/%ff',
        '/__proto__',
        '/view/__proto__',
        '/a/b/c/d',
        '?x=%',
        '/'.repeat(50),
      ),
    },
  ),
  session: fc.oneof(
    { weight: 6, arbitrary: fc.constant('own' as const) },
    { weight: 2, arbitrary: fc.constantFrom('none' as const, 'made-up' as const) },
    { weight: 1, arbitrary: fc.constant('guarded' as const) },
  ),
  era: fc.oneof(
    { weight: 3, arbitrary: fc.constant('legacy' as const) },
    { weight: 3, arbitrary: fc.constant('modern' as const) },
    { weight: 1, arbitrary: fc.constant('odd' as const) },
  ),
  type: fc.oneof(
    { weight: 15, arbitrary: fc.constant('application/json') },
    { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/json-patch', '') },
  ),
  accept: fc.oneof(
    { weight: 15, arbitrary: fc.constant(BOTH) },
    { weight: 1, arbitrary: fc.constantFrom('application/json', 'text/html', '*/*', '') },
  ),
});

interface Answer {
  readonly status: number;
  readonly session: string;
  readonly body: string;
}

function exchange(
  url: string,
  init: { method: string; headers: Record<string, string>; body: Buffer; listens: boolean },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method, headers, body, listens } = init;
    const sending = request(url, { method, headers, agent: false });
    const timeoutMs = listens ? LISTEN_MS : ANSWER_TIMEOUT_MS;
    const timer = setTimeout(() => {
      sending.destroy();
      if (listens) resolve({ status: 0, session: '', body: '' });
      else reject(new Error(`no answer in ${timeoutMs} ms`));
    }, timeoutMs);
    sending.on('error', (error) => {
      clearTimeout(timer);
      // A connection that is cut is an answer, too.
      if ('code' in error) resolve({ status: 0, session: '', body: '' });
      else reject(error);
    });
    sending.on('response', (answer: IncomingMessage) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', () => resolve({ status: 0, session: '', body: '' }));
      answer.on('end', () => {
        clearTimeout(timer);
        const session = String(answer.headers['mcp-session-id'] ?? '');
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: answer.statusCode ?? 0, session, body: text });
      });
    });
    sending.end(body);
  });
}

/** Opens a session of the key's. */
export async function openKeySession({ url, key }: Posing): Promise<string> {
  const headers = {
    authorization: `Bearer ${key}`,
    accept: BOTH,
    'content-type': 'application/json',
  };
  const init = { method: 'POST', headers, body: Buffer.from(INITIALIZE), listens: false };
  return (await exchange(url, init)).session;
}

/** Ends it. */
export async function closeKeySession({ url, key }: Posing, session: string): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'mcp-session-id': session };
  await exchange(url, { method: 'DELETE', headers, body: Buffer.alloc(0), listens: false });
}

/** Sends one, and gives what was wrong with the answer. */
export async function posted(posing: Posing, own: string, one: Post): Promise<readonly string[]> {
  const given = isOversize(one.body) ? undefined : parse(one.body);
  const method = isObject(given) ? given['method'] : undefined;
  const listens = method === 'subscriptions/listen' || one.method === 'GET';
  const headers = headersOf(posing, own, one, given);
  const init = { method: one.method, headers, body: one.body, listens };
  const answer = await exchange(`${posing.url}${one.path}`, init);
  const heard = nothingHeard();
  const wrongs: string[] = [];
  if (answer.status >= 500 && answer.status !== 503) wrongs.push(`status ${answer.status}`);
  const isOutside = answer.status === 404 || one.method !== 'POST';
  if (!isOutside || answer.body.startsWith('{')) {
    for (const frame of framesOf(answer.body)) hear(heard, JSON.stringify(frame));
  }
  wrongs.push(...heard.wrongs);
  if (answer.session !== '' && method !== 'initialize') wrongs.push('a session that nobody asked');
  if (one.method !== 'POST' || listens || !isRequest(given)) return wrongs;
  const id = JSON.stringify(given['id']);
  const count = (heard.ids.get(id) ?? 0) + heard.nulls;
  const others = [...heard.ids.keys()].filter((key) => key !== id);
  if (others.length > 0) wrongs.push(`answered ${others.join()} instead of ${id}`);
  const isCut = answer.status === 0 || answer.status === 202;
  if (count !== (isCut ? 0 : 1)) wrongs.push(`${answer.status}, and ${count} answers for ${id}`);
  if (one.session === 'guarded' && one.era === 'legacy' && answer.status === 200) {
    if (method !== 'initialize') wrongs.push('got into the session of somebody else');
  }
  return wrongs;
}

function headersOf(posing: Posing, own: string, one: Post, given: unknown): Record<string, string> {
  const sessions = { own, none: '', 'made-up': 'x'.repeat(32), guarded: posing.guarded };
  const session = sessions[one.session];
  const versions = { legacy: '2025-11-25', modern: '2026-07-28', odd: '1999-01-01' };
  const frame = isObject(given) ? given : {};
  const params = isObject(frame['params']) ? frame['params'] : {};
  const mcp = {
    'mcp-method': frame['method'],
    'mcp-name': params[frame['method'] === 'resources/read' ? 'uri' : 'name'],
  };
  const safe = Object.entries(mcp).filter(
    (entry): entry is [string, string] =>
      typeof entry[1] === 'string' && HEADER_SAFE.test(entry[1]),
  );
  return {
    authorization: `Bearer ${posing.key}`,
    accept: one.accept,
    'content-type': one.type,
    'mcp-protocol-version': versions[one.era],
    ...(session === '' ? {} : { 'mcp-session-id': session }),
    ...(one.era === 'modern' ? Object.fromEntries(safe) : {}),
  };
}
