/**
 * A `fetch` that asks one origin alone: no redirects, answers of bounded size and time, and a credential that goes
 * nowhere else.
 */
import { StarlingError, isVisible, messageOf, withDeadline } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';

/** More than this of an answer is not read. */
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Names of this machine, to which plain HTTP goes. */
const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Whom is asked, and how. */
export interface OneHostInit {
  /** Everything else is refused. */
  readonly origin: string;
  readonly timeoutMs: number;
  readonly answerBytesMax?: number;
  /** The credential, asked for at each request; absent: none is sent. */
  readonly token?: () => string;
}

/** @throws STARLING_USAGE for what is no https URL, or http to another machine */
export function checkedUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.includes(url.hostname));
  if (url !== undefined && isSafe && url.username === '' && url.password === '') return url;
  throw new StarlingError('STARLING_USAGE', `'${text.slice(0, 200)}' is no https URL`, {
    hint: 'an agent elsewhere is asked by https; plain http goes to this machine only',
  });
}

/** Makes the fetch. It throws STARLING_UPSTREAM_INVALID for another origin, a redirect and a long answer. */
export function fetchOfOneHost(clock: Clock, init: OneHostInit): typeof fetch {
  const { origin, timeoutMs, token } = init;
  return async (input, options) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== origin) throw invalid(`${url.host} is another host than ${origin}`);
    const headers = new Headers(options?.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${sound(token())}`);
    return withDeadline(
      clock,
      timeoutMs,
      async (signal) => {
        const response = await asked(url, { ...options, headers, redirect: 'manual', signal });
        if (response.status >= 300 && response.status < 400) {
          await response.body?.cancel();
          throw invalid(`${url.host} sends us elsewhere, and we do not go`);
        }
        const bytes = await bounded(response, init.answerBytesMax ?? ANSWER_BYTES_MAX);
        const type = response.headers.get('content-type');
        return new Response(bytes.length === 0 ? null : bytes, {
          status: response.status,
          ...(type === null ? {} : { headers: { 'content-type': type } }),
        });
      },
      options?.signal ?? undefined,
    );
  };
}

async function asked(url: URL, options: RequestInit): Promise<Response> {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw new StarlingError(
      'STARLING_UPSTREAM_UNAVAILABLE',
      `${url.host} can't be reached: ${causeOf(error)}`,
      { cause: error },
    );
  }
}

async function bounded(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) throw invalid(`an answer is over ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** What the network says stands behind `fetch failed`. */
function causeOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  return messageOf(cause ?? error).slice(0, 200);
}

function invalid(why: string): StarlingError {
  return new StarlingError('STARLING_UPSTREAM_INVALID', `the A2A agent can't be used: ${why}`);
}

/** What a header can't hold would be told in the error of whoever sets the header. */
function sound(token: string): string {
  if (isVisible(token)) return token;
  throw new StarlingError('STARLING_SECRET_INVALID', 'the secret of the remote agent is no token', {
    hint: 'a token is one line of letters, digits and signs: set it again: starling secret set <name>',
  });
}
