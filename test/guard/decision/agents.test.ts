/** Agents that a node runs: whom they may write to by the edges of a swarm, and for whom they work. */
import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createCounters } from '../../../src/grants/index.ts';
import type { GrantBook } from '../../../src/grants/index.ts';
import { createGuard } from '../../../src/guard/index.ts';
import type { Decision, Guard, GuardWanted, Principal } from '../../../src/guard/index.ts';
import { peerIdFromDid } from '../../../src/identity/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { NOW_MS, alice, bob, emptyBook, manualClock, owner } from '../../grants/arrange.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const clock = manualClock();
let book: GrantBook;
let guard: Guard;

beforeEach(async () => {
  book = emptyBook(clock);
  const parts = { table: memoryTable(), grants: book, self: owner.did };
  const counters = createCounters({ ...parts, clock, logger: silentLogger });
  await counters.start();
  guard = createGuard({
    grants: book,
    counters,
    self: { name: 'workstation', did: owner.did },
    clock,
    mayHold: (budget, did) => budget === 'team' && did === alice.did,
  });
});

/** An edge of a swarm: this node's grant to itself, by which an agent `from` may write to `to`. */
async function edge(
  from: string,
  to: string,
  caveats: JsonObject = {},
  ability = 'agent/message',
): Promise<string> {
  const grant = await book.issue({
    aud: owner.did,
    capabilities: [
      {
        resource: `agent:${to}`,
        ability,
        caveats: { args: { from: { const: from } }, ...caveats },
      },
    ],
    expiresAtMs: NOW_MS + 3_600_000,
  });
  return grant.claims.jti;
}

const agent = (name: string, ...worksFor: readonly Principal[]): Principal => ({
  kind: 'client',
  name: `agent:${name}`,
  scopes: [],
  worksFor,
});
const client = (name: string, ...scopes: readonly string[]): Principal => ({
  kind: 'client',
  name,
  scopes,
});
const write = (to: string, args?: JsonObject): GuardWanted => ({
  resource: `agent:${to}`,
  ability: 'agent/message',
  ...(args === undefined ? {} : { args }),
});
const may = (principal: Principal, wanted: GuardWanted): boolean =>
  guard.decide(principal, wanted).allow;
const grantIn = (decision: Decision): string | undefined =>
  decision.allow ? decision.grant?.claims.jti : undefined;

describe('an edge of a swarm', () => {
  it('lets the agent that has it write to the one that it names, and is what the call goes by', async () => {
    const id = await edge('coder', 'critic');
    const wanted = write('critic', { from: 'coder' });
    expect(grantIn(guard.decide(agent('coder'), wanted))).toBe(id);
    expect(may(agent('coder'), write('critic', { from: 'planner' }))).toBe(false);
    expect(may(agent('coder'), write('planner', { from: 'coder' }))).toBe(false);
    expect(may(agent('coder'), { ...wanted, ability: 'agent/spawn' })).toBe(false);
  });

  it('is none for who does not say which agent writes', async () => {
    await book.issue({
      aud: owner.did,
      capabilities: [{ resource: 'agent:critic', ability: 'agent/message' }],
      expiresAtMs: NOW_MS + 3_600_000,
    });
    expect(may(agent('coder'), write('critic', { from: 'coder' }))).toBe(true);
    expect(may(agent('coder'), write('critic'))).toBe(false);
    expect(may(agent('coder'), write('critic', {}))).toBe(false);
    expect(may(agent('coder'), write('critic', { from: 3 }))).toBe(false);
  });

  it('is a way to agents alone', async () => {
    await book.issue({
      aud: owner.did,
      capabilities: [{ resource: 'tool:files/*', ability: 'tool/call' }],
      expiresAtMs: NOW_MS + 3_600_000,
    });
    const wanted = { resource: 'tool:files/read', ability: 'tool/call', args: { from: 'coder' } };
    expect(may(agent('coder'), wanted)).toBe(false);
  });

  it('counts its uses by calls, and not by looks', async () => {
    await edge('coder', 'critic', { uses: 1 });
    const wanted = write('critic', { from: 'coder' });
    for (let looks = 0; looks < 3; looks += 1) {
      expect(may(agent('coder'), { ...wanted, look: true })).toBe(true);
    }
    expect(may(agent('coder'), wanted)).toBe(true);
  });

  it('for which a person must say yes is none', async () => {
    await edge('coder', 'critic', { approval: 'required' });
    expect(may(agent('coder'), write('critic', { from: 'coder' }))).toBe(false);
  });
});

describe('an agent that works for others', () => {
  it('uses its own edges only where each of these has one of its own', async () => {
    await edge('coder', 'critic');
    const wanted = write('critic', { from: 'coder' });
    expect(may(agent('coder', agent('planner')), wanted)).toBe(false);
    await edge('planner', 'critic');
    expect(may(agent('coder', agent('planner')), wanted)).toBe(true);
    // A client is no agent, and has no edge, whatever the agent says.
    expect(may(agent('coder', client('ci')), wanted)).toBe(false);
    expect(may(agent('coder', client('ci', 'agent:critic')), wanted)).toBe(true);
    expect(may(agent('coder', agent('planner'), client('ci')), wanted)).toBe(false);
  });

  it('answers those for whom it works: nobody needs a right to be written to', async () => {
    await edge('coder', 'critic');
    const wanted = write('critic', { from: 'coder' });
    expect(may(agent('coder', agent('critic')), wanted)).toBe(true);
    // Another one is not it, nor is a client of that name, nor an agent of that name elsewhere.
    expect(may(agent('coder', agent('critics')), wanted)).toBe(false);
    expect(may(agent('coder', client('critic')), wanted)).toBe(false);
    expect(may(agent('coder', agent('critic'), client('ci')), wanted)).toBe(false);
    const peer: Principal = {
      kind: 'peer',
      did: bob.did,
      peerId: peerIdFromDid(bob.did),
      alias: 'critic',
    };
    expect(may(agent('coder', peer), wanted)).toBe(false);
    await edge('coder', '@critic/critic');
    expect(may(agent('coder', agent('critic')), write('@critic/critic', { from: 'coder' }))).toBe(
      false,
    );
  });
});

describe('rights of a budget', () => {
  it('are for whom its founder lets hold them, and for no other ability', () => {
    const holder = (did: typeof alice.did): Principal => ({
      kind: 'peer',
      did,
      peerId: peerIdFromDid(did),
      alias: 'a',
    });
    const wanted = (budget: string, ability = 'budget/transfer'): GuardWanted => ({
      resource: `budget:${budget}`,
      ability,
    });
    expect(may(holder(alice.did), wanted('team'))).toBe(true);
    expect(may(holder(bob.did), wanted('team'))).toBe(false);
    expect(may(holder(alice.did), wanted('boss'))).toBe(false);
    expect(may(holder(alice.did), wanted('team', 'budget/spend'))).toBe(false);
  });
});
