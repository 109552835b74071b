/** Whom a message of a peer is shown to come from. */
import { expect, it } from 'vitest';
import type { Did, PeerId } from '../../../src/core/index.ts';
import { peerSender } from '../../../src/agents/messages/message-sender.ts';
import type { OnBehalfOf } from '../../../src/guard/index.ts';

const AGENT = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK' as Did;
const sender = (from: string | undefined, onBehalfOf?: OnBehalfOf): string =>
  peerSender(
    { kind: 'peer', alias: 'laptop', did: AGENT, peerId: '12D3' as PeerId, onBehalfOf },
    from,
  );

it.each<[string, string | undefined, OnBehalfOf | undefined, string]>([
  ['an agent that the peer names', 'coder', { name: 'cursor' }, 'coder@laptop'],
  ['an agent that the peer names with its node', 'coder@elsewhere', undefined, 'coder@laptop'],
  ['the person at the peer', undefined, undefined, 'operator@laptop'],
  ['a client of the peer', undefined, { name: 'cursor' }, 'client:cursor@laptop'],
  ['an agent that has proven its key', undefined, { did: AGENT, name: 'x' }, `${AGENT}@laptop`],
  ['a client whose name no line can hold', undefined, { name: 'a@b\nc' }, 'client@laptop'],
  ['nobody, by a name that no line can hold', 'x y\n', undefined, 'operator@laptop'],
  ['nobody, by an empty name', '@workstation', undefined, 'operator@laptop'],
  ['nobody, by a name without an end', 'x'.repeat(65), undefined, 'operator@laptop'],
])('is %s', (_, from, onBehalfOf, shown) => {
  expect(sender(from, onBehalfOf)).toBe(shown);
});
