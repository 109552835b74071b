/** What a message is made of: what its sender claims, and what is known of it. */
import { describe, expect, it } from 'vitest';
import { newMessage } from '../../../src/agents/messages/new-message.ts';
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
  return newMessage(components, principal, query, 'someone@alice');
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
});
