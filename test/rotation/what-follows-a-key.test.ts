/** What a node has noted of a peer, and of an agent, goes on when that changes its key. */
import { expect, it } from 'vitest';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import { createSuccessions, issueSuccession } from '../../src/grants/index.ts';
import type { Successions } from '../../src/grants/index.ts';
import { challengeText, createChallenges } from '../../src/gateway/door/challenge.ts';
import { createPins } from '../../src/gateway/pins/pins.ts';
import type { Pins, Reviewable } from '../../src/gateway/pins/pins.ts';
import { createCallerRules, parsePolicy } from '../../src/guard/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const [OLD, NEW] = [
  createIdentity(new Uint8Array(32).fill(1)),
  createIdentity(new Uint8Array(32).fill(2)),
];
const MESH = createIdentity(new Uint8Array(32).fill(3)).did;
const CHANGE = issueSuccession(OLD, NEW, { mesh: MESH }, Date.now());
const clock = createTestClock();

const noneYet = (): Successions =>
  createSuccessions({ table: memoryTable(), logger: silentLogger });

const lists = (description: string): Reviewable => ({
  tools: [{ name: 'read', description, inputSchema: { type: 'object' } }],
  prompts: [],
});

it('is pinned: a tool that differs from what the old key listed is quarantined', async () => {
  const [table, successions] = [memoryTable(), noneYet()];
  const start = async (): Promise<Pins> => {
    const pins = createPins(
      { table, successions, clock, logger: silentLogger, health: createHealth() },
      { mode: 'strict', perServerMax: 100 },
    );
    await pins.start();
    return pins;
  };
  const pins = await start();
  expect(pins.review(OLD.peerId, 'files', lists('reads')).quarantined).toEqual([]);
  await successions.add(CHANGE);
  expect(pins.review(NEW.peerId, 'files', lists('sends all away')).quarantined).toMatchObject([
    { name: 'read', reason: 'changed' },
  ]);
  expect(pins.review(NEW.peerId, 'files', lists('reads')).quarantined).toEqual([]);
  await pins.stop();
  const again = await start();
  expect(again.count()).toBe(1);
  expect(again.review(NEW.peerId, 'files', lists('lies')).quarantined).toHaveLength(1);
  expect(await again.list()[0]?.difference()).not.toEqual([]);
  await again.stop();
});

it('is limited by the policy: what it says of the old did or PeerId holds for the new one', async () => {
  const successions = noneYet();
  await successions.add(CHANGE);
  for (const name of [OLD.did, OLD.peerId]) {
    const policy = parsePolicy(`callers:\n  '${name}': { read_only: true }\n`, 'the test');
    const callerRules = createCallerRules({
      policy: { current: () => policy },
      mesh: {
        isOpen: () => false,
        isMember: () => true,
        formerly: (did) => successions.lineage(did).slice(1),
      },
    });
    const peer = { kind: 'peer', peerId: NEW.peerId, did: NEW.did, alias: 'bob' } as const;
    expect(callerRules.of(peer).readOnly?.where).toBe(`callers.${name}.read_only`);
    const agent = { kind: 'agent', did: NEW.did, name: 'agent' } as const;
    expect(callerRules.of(agent).readOnly?.where).toBe(`callers.${name}.read_only`);
  }
});

it('is refused at the door under its old key, with the reason', async () => {
  const successions = noneYet();
  const challenges = createChallenges({ self: MESH, clock, grants: { successions } });
  const answer = (who: typeof OLD): Parameters<typeof challenges.redeem>[0] => {
    const { nonce } = challenges.challenge(who.did, 'here');
    const text = challengeText({ node: MESH, audience: 'here', did: who.did, nonce });
    return { did: who.did, nonce, signature: Buffer.from(who.sign(text)).toString('base64url') };
  };
  expect(challenges.redeem(answer(OLD), 'here').token).toContain('starling-session');
  await successions.add(CHANGE);
  expect(() => challenges.redeem(answer(OLD), 'here')).toThrow(NEW.did);
  expect(challenges.redeem(answer(NEW), 'here').token).toContain('starling-session');
});
