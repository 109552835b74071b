/** What a message is made of: what its sender claims, what is known of it, and how the engine sees it. */
import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { madeMessage } from '../../../src/agents/messages/made-message.ts';
import type { AgentMessage, MessageInit } from '../../../src/agents/types.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';
import type { Principal } from '../../../src/guard/index.ts';

const PEER: Principal = {
  kind: 'peer',
  did: 'did:key:z6MkAlice' as Did,
  peerId: 'p' as PeerId,
  alias: 'alice',
};
const components = { clock: { now: () => 1000 }, random: () => 0.5 };

function made(principal: Principal, init: Partial<Omit<MessageInit, 'type'>> = {}): AgentMessage {
  const query = { to: 'coder', type: 'query', message: 'hello', ...init } as const;
  return madeMessage(components, principal, query, 'someone@alice');
}

describe('a message', () => {
  it('takes what led to it, and what it is made of, from a peer alone, and from an agent what is known of it', () => {
    const metadata = { hops: 3, taint: 'external', session: 's' };
    expect(made(PEER, { metadata }).metadata).toMatchObject(metadata);
    const ours = made({ kind: 'client', name: 'agent:a', scopes: [], hops: 1 }, { metadata });
    expect(ours.metadata).toMatchObject({ hops: 1, session: 's' });
    expect(ours.metadata).not.toHaveProperty('taint');
    const { id, metadata: plain } = made({ kind: 'operator' }, { metadata });
    expect(plain).toEqual({ session: 's', correlationId: id, messageId: id });
    expect(metadata).toEqual({ hops: 3, taint: 'external', session: 's' });
  });

  it('has the id that a peer gave it, and no other', () => {
    expect(made(PEER, { messageId: 'theirs' }).metadata).toMatchObject({ messageId: 'theirs' });
    expect(made({ kind: 'operator' }, { messageId: 'claimed' }).id).not.toBe('claimed');
  });

  it('is of one class for the engine with others like it', () => {
    setFlagsFromString('--allow-natives-syntax');
    const areAlike = runInThisContext('(one, other) => %HaveSameMap(one, other)') as (
      one: unknown,
      other: unknown,
    ) => boolean;
    /** How often one is of another class than the one before: V8 itself may give up a class once or twice, as it learns of values. */
    const changes = (all: readonly unknown[]): number =>
      all.filter((one, at) => at > 0 && !areAlike(one, all[at - 1])).length;
    for (const init of [{}, { metadata: { session: 's' } }]) {
      expect(changes(Array.from({ length: 40 }, () => made(PEER, init)))).toBeLessThan(5);
    }
    // What a caller says besides, which few do, may be kept as a table by V8, of which each is a class.
    const plain = Array.from({ length: 40 }, () => made(PEER).metadata);
    expect(changes(plain)).toBeLessThan(5);
  });
});
