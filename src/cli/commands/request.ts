/** `starling request`: asks a peer for a right, from the shell, and waits for what a person there says. */
import type { ExitCode } from '../../core/exit-codes.ts';
import type { PeersResult, StatusResult } from '../../builtin/results.ts';
import { nearest } from '../../core/words/slips.ts';
import { StarlingError } from '../../core/errors.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { systemClock } from '../../core/time/clock.ts';
import type { NodeClient } from '../node/client.ts';
import { withNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { createScope } from '../../core/lifecycle.ts';
import { sleep } from '../../core/wait.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { answerText, waitText } from '../terminal/lines/permission-lines.ts';
import type { PermissionAnswered as Answer } from '../terminal/lines/permission-lines.ts';
import { asSentence, printData, safeLine, tell } from '../terminal/output.ts';

interface RequestOptions extends CommonOptions {
  readonly as?: string;
  readonly because: string;
  readonly type: string;
  readonly timeout?: number;
}

interface Target {
  readonly peer: string;
  readonly scope: string;
}

const LEFT =
  'not waited for any more; the request stays: run the same command again to hear the answer';
const WAIT_DEFAULT_MS = 600_000;
/** What a node says of a tool of nobody. */
const NAMED_WRONGLY: readonly string[] = ['STARLING_TOOL_UNKNOWN', 'STARLING_PEER_UNKNOWN'];
/** What a person may paste as it is. */
const PLAIN = /^[\w.*/:-]+$/;
/** A guardian answers a caller ten times a minute, unless its policy says otherwise. */
const AGAIN_MS = 10_000;

/** Asks until the answer is no longer pending; exit code 1 for a no. @throws STARLING_USAGE, STARLING_TIMEOUT */
export async function run(resource: string, options: RequestOptions): Promise<ExitCode> {
  const { peer, scope } = targetOf(resource);
  const answer = await untilInterrupted((signal) => {
    signal.addEventListener('abort', () => tell(LEFT), { once: true });
    const wait = (node: NodeClient): Promise<Answer> =>
      ask(node, { peer, scope, signal }, options).catch(async (error: unknown) => {
        if (node.over.aborted && !signal.aborted) throw nodeStopped(peer, error);
        throw await withPeer(error, node, { peer, scope });
      });
    return withNode(options, wait, signal);
  });
  if (typeof answer === 'number') return answer;
  printData(answer, options.json === true, () => asSentence(answerText(answer, { peer, scope })));
  return answer.granted ? 0 : 1;
}

async function ask(
  node: NodeClient,
  { peer, scope, signal }: Target & { readonly signal: AbortSignal },
  options: RequestOptions,
): Promise<Answer> {
  const waitMs = options.timeout ?? WAIT_DEFAULT_MS;
  const deadline = Date.now() + waitMs;
  let isTold = false;
  for (;;) {
    const answer = await once(node, peer, {
      agent_id: options.as ?? 'operator',
      resource_type: options.type,
      justification: options.because,
      scope,
    });
    if (answer.granted || answer.pending === undefined) return answer;
    if (!isTold) for (const line of waitText(answer, { peer, waitMs })) tell(safeLine(line));
    isTold = true;
    if (Date.now() + AGAIN_MS > deadline) {
      throw new StarlingError('STARLING_TIMEOUT', `nobody at ${peer} has answered yet`, {
        hint: 'the request stays: run the same command again to hear the answer',
      });
    }
    await pause(AbortSignal.any([signal, node.over]));
  }
}

/** The request stays where it waits, but nobody is left to hear the answer. */
function nodeStopped(peer: string, cause: unknown): StarlingError {
  return new StarlingError(
    'STARLING_NODE_UNREACHABLE',
    `the node stopped while the request waits at ${peer}`,
    { hint: 'start it (starling up) and ask again to hear the answer', cause },
  );
}

/** No tool of a peer is called so: what was named is this node, or no peer at all. */
async function withPeer(
  error: unknown,
  node: NodeClient,
  { peer, scope }: Target,
): Promise<unknown> {
  const isName = error instanceof StarlingError && NAMED_WRONGLY.includes(error.code);
  if (!isName) return error;
  const own = await node.builtin<Partial<StatusResult>>('status').catch(() => undefined);
  const listed = await node.builtin<Partial<PeersResult>>('peers').catch(() => undefined);
  const known = (listed?.peers ?? []).map(({ alias }) => alias);
  if (own?.name === peer) {
    return new StarlingError(
      'STARLING_USAGE',
      `${peer} is this node, which asks itself for nothing`,
      {
        hint: 'its operator may use all that it has: starling tools; a right of a peer is asked for by the name of that peer: starling peers',
        cause: error,
      },
    );
  }
  const meant = nearest(peer, known);
  const whole = meant === undefined ? `${peer}/${scope}` : scope;
  const what = PLAIN.test(whole) ? whole : '<server>/<tool>';
  const first = meant ?? '<peer>';
  const said = meant === undefined ? '' : `did you mean ${meant}? `;
  return new StarlingError('STARLING_PEER_UNKNOWN', `no peer is called '${peer}'`, {
    hint: `${said}name the peer first: starling request '${first}/${what}' --because '<why>'; who is there: starling peers`,
    cause: error,
  });
}

/** The clock keeps no process alive, so a wait must end with what does. @throws what `signal` is aborted with */
async function pause(signal: AbortSignal): Promise<void> {
  const scope = createScope(systemClock);
  const end = (): void => scope.close();
  signal.addEventListener('abort', end, { once: true });
  await sleep(scope, AGAIN_MS);
  signal.removeEventListener('abort', end);
  scope.close();
  signal.throwIfAborted();
}

async function once(
  node: NodeClient,
  peer: string,
  args: Readonly<Record<string, string>>,
): Promise<Answer> {
  const result = await node.call(`${peer}__starling__request_permission`, args);
  const content = result['structuredContent'];
  if (isObject(content) && typeof content['granted'] === 'boolean') {
    return content as unknown as Answer;
  }
  throw new StarlingError(
    'STARLING_PROTOCOL_VIOLATION',
    `${peer} gave no answer that says yes or no`,
    {
      hint: 'see whether it runs another version: starling peers',
    },
  );
}

/**
 * `alice/files/read_*`, `@alice/…`, `alice/resource:files/**`, or a tool as lists show it:
 * `alice__files__read`. @throws STARLING_USAGE
 */
function targetOf(resource: string): Target {
  const [, owner, server, tool] = /^@?([^/:\s]+?)__([^/:\s]+?)__([^/:\s]+)$/.exec(resource) ?? [];
  if (owner !== undefined) return { peer: owner, scope: `${server}/${tool}` };
  const [, peer, scope] = /^@?([^/:\s]+)\/(\S+)$/.exec(resource) ?? [];
  if (peer !== undefined && scope !== undefined) return { peer, scope };
  throw new StarlingError('STARLING_USAGE', `'${resource}' names nothing of a peer`, {
    hint: "name the peer first: starling request 'alice/files/read_*' --because '…'",
  });
}
