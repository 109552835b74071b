/** Conversations of one node that has no others, with a model that says what a test wants. */
import { createContexts } from '../../src/contexts/index.ts';
import type { ContextOf, Contexts } from '../../src/contexts/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import { boxOpenerOf, createIdentity, sealerOf } from '../../src/identity/index.ts';
import { eventText } from '../../src/models/translate/stream-translator.ts';
import type { ModelAnswer, ReadCall } from '../../src/models/types.ts';
import { createTestClock } from '../core/test-clock.ts';
import type { TestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

/** What the model was asked, and by whom. */
export interface Asked {
  readonly call: ReadCall;
  readonly principal: Principal;
  readonly signal: AbortSignal;
}

/** The node. */
export interface Alone {
  readonly contexts: Contexts;
  readonly clock: TestClock;
  readonly asked: Asked[];
  readonly rows: Map<string, Uint8Array>;
  readonly lines: Map<string, Uint8Array>;
  /** Another run on the same disk. */
  again(): Contexts;
}

/** Who the conversations are of. */
export const OF: ContextOf = {
  agent: 'clerk',
  owner: 'operator',
  from: 'scout@bob',
  sender: 'did:key:bob',
  session: 'birds',
};

/** Makes it; `say` gives what the model answers, or throws. */
export function alone(say: (asked: Asked) => string | Promise<string> = () => 'in short'): Alone {
  const identity = createIdentity(Buffer.alloc(32, 7));
  const clock = createTestClock(1_790_000_000_000);
  const [rows, lines] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()];
  const asked: Asked[] = [];
  const ask = async (
    call: ReadCall,
    principal: Principal,
    signal: AbortSignal,
  ): Promise<ModelAnswer> => {
    const one = { call, principal, signal };
    asked.push(one);
    const text = await say(one);
    return { isStream: true, headers: {}, body: streamOf(text) };
  };
  const open = (): Contexts =>
    createContexts({
      blackboard: {
        names: () => [],
        board: () => Promise.reject(new Error('there is no board here')),
      },
      table: memoryTable(rows),
      lines: memoryTable(lines),
      sealer: sealerOf(identity, 'contexts'),
      openBox: boxOpenerOf(identity),
      self: identity.did,
      isHere: () => true,
      models: () => ({ ask }),
      messageBytes: 1_000_000,
      clock,
      logger: silentLogger,
    });
  return { contexts: open(), clock, asked, rows, lines, again: open };
}

async function* streamOf(text: string): AsyncGenerator<Uint8Array> {
  const chunk = (delta: JsonObject, finish: string | null): string =>
    eventText({ choices: [{ index: 0, delta, finish_reason: finish }] });
  yield Buffer.from(chunk({ content: text }, null));
  yield Buffer.from(`${chunk({}, 'stop')}data: [DONE]\n\n`);
}

/** One exchange after the other; each line has so many characters. */
export async function talk(
  { clock, contexts }: Alone,
  times: number,
  { chars = 30, from = 1, zone = 'local' as const } = {},
): Promise<string> {
  for (let at = from; at < from + times; at += 1) {
    clock.advance(1000);
    const text = (word: string): string => `${word} ${at} `.padEnd(chars, 'x');
    await contexts.keep(OF, {
      message: `m${at}`,
      question: text('heron'),
      answer: text('yes'),
      zone,
    });
  }
  const [one] = await contexts.list();
  return one?.id ?? '';
}
