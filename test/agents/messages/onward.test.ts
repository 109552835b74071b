/** Which queries the node of their agent answers in place of this one, and what goes there. */
import { expect, it } from 'vitest';
import { handOn } from '../../../src/agents/messages/onward.ts';
import type { OnwardComponents } from '../../../src/agents/messages/onward.ts';
import { StarlingError } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import type { OnwardCall, RelayedCall } from '../../../src/gateway/index.ts';
import { OPERATOR, attachedClient } from '../../../src/guard/index.ts';
import type { Principal } from '../../../src/guard/index.ts';

const CURSOR = attachedClient('cursor');
const QUERY = { agentId: 'coder@bob', type: 'query', message: 'hello' };

interface Given {
  readonly principal?: Principal;
  readonly state?: string;
  /** Owners of agents here. */
  readonly owners?: readonly string[];
  readonly isRefused?: boolean;
  readonly bytes?: number;
}

/** What is handed on of a call with these arguments; undefined: nothing is. */
function handed(args: unknown, given: Given = {}) {
  const { principal = OPERATOR, state = 'alive', owners = [], bytes = 100 } = given;
  const sent: OnwardCall[] = [];
  const forgotten: string[] = [];
  const components = {
    membership: { byAlias: (alias: string) => ({ alias, peerId: `peer-${alias}`, state }) },
    local: { all: () => owners.map((owner) => ({ owner })) },
    directory: {
      elsewhere: (text: string) =>
        text === 'coder@bob' ? { name: 'coder', node: 'bob' } : undefined,
      require() {
        if (given.isRefused === true) throw new StarlingError('STARLING_CALL_REFUSED', 'no');
      },
    },
    relayToPeer(_: unknown, onward: OnwardCall) {
      sent.push(onward);
      return { cancel: () => undefined };
    },
    forget: (peer: PeerId) => void forgotten.push(peer),
  } as unknown as OnwardComponents;
  const request = { params: { arguments: args }, bytes: Buffer.alloc(bytes) };
  const call = { principal, request } as unknown as RelayedCall;
  const isHandedOn = handOn(components, call) !== undefined;
  expect(sent).toHaveLength(isHandedOn ? 1 : 0);
  return { onward: sent[0], forgotten };
}

it('a plain query goes on with what this node would have said of it', () => {
  const { onward } = handed(QUERY);
  expect(onward).toMatchObject({ tool: 'agent_message', principal: OPERATOR, timeoutMs: 35_000 });
  expect(onward?.args).toEqual({
    agentId: 'coder',
    from: 'operator',
    type: 'query',
    message: 'hello',
    priority: 'normal',
    timeoutMs: 30_000,
  });
  const { onward: other } = handed(
    { to: 'coder@bob', type: 'query', message: null, priority: 'high', timeout: 60_000 },
    { principal: CURSOR },
  );
  expect(other?.args).toEqual({
    agentId: 'coder',
    from: 'client:cursor',
    type: 'query',
    message: null,
    priority: 'high',
    timeoutMs: 60_000,
  });
  expect(other?.timeoutMs).toBe(65_000);
});

it.each<readonly [string, unknown]>([
  ['no arguments', undefined],
  ['a list', [QUERY]],
  ['a command', { ...QUERY, type: 'command' }],
  ['no type', { agentId: 'coder@bob', message: { type: 'query' } }],
  ['no message', { agentId: 'coder@bob', type: 'query' }],
  ['nobody', { type: 'query', message: 'hello' }],
  ['an agent of this node, or nobody’s', { ...QUERY, agentId: 'coder' }],
  ['two agents', { ...QUERY, to: 'other@bob' }],
  ['a number for an agent', { ...QUERY, agentId: 7 }],
  ['another sender', { ...QUERY, from: 'mine' }],
  ['what is said of it', { ...QUERY, metadata: { session: 'books' } }],
  ['an id', { ...QUERY, messageId: 'msg_1_a' }],
  ['what ties it to others', { ...QUERY, correlationId: 'c' }],
  ['more to say', { ...QUERY, data: 1 }],
  ['a seal', { ...QUERY, sealed: true }],
  ['what nobody knows', { ...QUERY, hop: 1 }],
  ['no time', { ...QUERY, timeoutMs: 0 }],
  ['too much time', { ...QUERY, timeoutMs: 300_001 }],
  ['a time that is none', { ...QUERY, timeout: '5s' }],
  ['one of two times that is none', { ...QUERY, timeout: -1, timeoutMs: 5 }],
  ['no priority', { ...QUERY, priority: 'highest' }],
])('what has %s is dealt with here', (_, args) => {
  expect(handed(args).onward).toBeUndefined();
});

it.each<readonly [string, Given]>([
  ['of a peer', { principal: { kind: 'peer', did: 'did:key:z6MkX' } as unknown as Principal }],
  ['that follows from others', { principal: { ...CURSOR, hops: 1 } }],
  ['of who has read elsewhere', { principal: { ...CURSOR, taint: 'external' } }],
  ['for somebody', { principal: { ...CURSOR, worksFor: [OPERATOR] } }],
  ['of a program that is an agent', { principal: CURSOR, owners: ['client:cursor'] }],
  ['of the operator who is one', { owners: ['operator'] }],
  ['to a node that is away', { state: 'dead' }],
  ['that is long', { bytes: 256 * 1024 + 1 }],
])('a query %s is dealt with here', (_, given) => {
  expect(handed(QUERY, given).onward).toBeUndefined();
});

it('a query to an agent that turned out to be another one takes a right to that', () => {
  expect(() => handed(QUERY, { isRefused: true })).toThrow('no');
});

it('an agent that is not there any more is asked for anew', () => {
  const { onward, forgotten } = handed(QUERY);
  onward?.refused('STARLING_AGENT_FAILED');
  expect(forgotten).toEqual([]);
  onward?.refused('STARLING_AGENT_UNKNOWN');
  expect(forgotten).toEqual(['peer-bob']);
});
