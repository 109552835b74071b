/** How an Ed25519 identity is proved over HTTP, and how that can't be abused. */
import { describe, expect, it } from 'vitest';
import type { Did } from '../../../src/core/index.ts';
import { challengeText, createChallenges } from '../../../src/gateway/door/challenge.ts';
import type { Challenges } from '../../../src/gateway/door/challenge.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Identity } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

const node = createIdentity(Buffer.alloc(32, 1));
const alice = createIdentity(Buffer.alloc(32, 2));
const mallory = createIdentity(Buffer.alloc(32, 3));
const HOST = '127.0.0.1:4100';

interface Fixture {
  readonly clock: ReturnType<typeof createTestClock>;
  readonly challenges: Challenges;
}

function fixture(self: Did = node.did): Fixture {
  const clock = createTestClock();
  return { clock, challenges: createChallenges({ self, clock }) };
}

interface Claim {
  readonly node?: Did;
  readonly audience?: string;
  readonly did?: Did;
  readonly nonce: string;
}

function sign(signer: Identity, claim: Claim): string {
  const text = challengeText({ node: node.did, audience: HOST, did: signer.did, ...claim });
  return Buffer.from(signer.sign(text)).toString('base64url');
}

describe('a caller that signs the challenge', () => {
  it('gets a token for a quarter of an hour, and is the agent of its did', () => {
    const { clock, challenges } = fixture();
    const { nonce, expires } = challenges.challenge(alice.did, HOST);
    expect(expires).toBe(clock.now() + 60_000);
    const signature = sign(alice, { nonce });
    const { token, expiresAt } = challenges.redeem({ did: alice.did, nonce, signature }, HOST);
    expect(expiresAt).toBe(clock.now() + 900_000);
    expect(challenges.check(token)).toEqual({
      id: `agent:${alice.did}`,
      principal: { kind: 'agent', did: alice.did, name: expect.stringMatching(/^agent-\w{6}$/) },
      expiresAt,
    });
    clock.advance(899_999);
    expect(challenges.check(token)).toBeDefined();
    clock.advance(1);
    expect(challenges.check(token)).toBeUndefined();
  });

  it('can not use its nonce twice', () => {
    const { challenges } = fixture();
    const { nonce } = challenges.challenge(alice.did, HOST);
    const answer = { did: alice.did, nonce, signature: sign(alice, { nonce }) };
    challenges.redeem(answer, HOST);
    expect(() => challenges.redeem(answer, HOST)).toThrow(/used before/);
  });

  it('can not use its nonce after a minute, nor twice around that minute', () => {
    const { clock, challenges } = fixture();
    const { nonce } = challenges.challenge(alice.did, HOST);
    const answer = { did: alice.did, nonce, signature: sign(alice, { nonce }) };
    clock.advance(59_999);
    challenges.redeem(answer, HOST);
    expect(() => challenges.redeem(answer, HOST)).toThrow(/used before/);
    clock.advance(1);
    expect(() => challenges.redeem(answer, HOST)).toThrow(/expired/);
  });

  it.each<[string, Partial<Claim>]>([
    ['for another node', { node: mallory.did }],
    ['for another host', { audience: 'evil.example' }],
    ['as another did', { did: mallory.did }],
    ['over another nonce', { nonce: 'A'.repeat(72) }],
  ])('gets nothing for a signature %s', (_, claim) => {
    const { challenges } = fixture();
    const { nonce } = challenges.challenge(alice.did, HOST);
    const signature = sign(alice, { nonce, ...claim });
    expect(() => challenges.redeem({ did: alice.did, nonce, signature }, HOST)).toThrow(
      /not that of the did's key/,
    );
  });

  it('gets nothing for the signature of another key', () => {
    const { challenges } = fixture();
    const { nonce } = challenges.challenge(alice.did, HOST);
    const signature = sign(mallory, { nonce, did: alice.did });
    expect(() => challenges.redeem({ did: alice.did, nonce, signature }, HOST)).toThrow(
      /not that of the did's key/,
    );
  });

  it('gets nothing for a nonce that was given to another did, host or node', () => {
    const { challenges } = fixture();
    const answerOf = (nonce: string): { did: Did; nonce: string; signature: string } => ({
      did: alice.did,
      nonce,
      signature: sign(alice, { nonce }),
    });
    const foreign = [
      challenges.challenge(mallory.did, HOST).nonce,
      challenges.challenge(alice.did, 'evil.example').nonce,
      fixture().challenges.challenge(alice.did, HOST).nonce,
      Buffer.alloc(54).toString('base64url'),
      'x',
    ];
    for (const nonce of foreign) {
      expect(() => challenges.redeem(answerOf(nonce), HOST)).toThrow(/none of this node/);
    }
  });

  it('gets nothing for a malformed did or signature', () => {
    const { challenges } = fixture();
    expect(() => challenges.challenge('did:web:evil.example', HOST)).toThrow(/is not a did:key/);
    const { nonce } = challenges.challenge(alice.did, HOST);
    for (const signature of [
      '',
      'A'.repeat(86),
      sign(alice, { nonce }).slice(0, -1),
      '*'.repeat(86),
    ]) {
      expect(() => challenges.redeem({ did: alice.did, nonce, signature }, HOST)).toThrow(
        /not that of the did's key/,
      );
    }
  });

  it('keeps its nonce when somebody else fails with it', () => {
    const { challenges } = fixture();
    const { nonce } = challenges.challenge(alice.did, HOST);
    const forged = { did: alice.did, nonce, signature: sign(mallory, { nonce, did: alice.did }) };
    expect(() => challenges.redeem(forged, HOST)).toThrow(/no session/);
    const good = { did: alice.did, nonce, signature: sign(alice, { nonce }) };
    expect(challenges.redeem(good, HOST).token).toMatch(/^starling-session\./);
  });
});

describe('a session token', () => {
  const tokenOf = ({ challenges }: Fixture): string => {
    const { nonce } = challenges.challenge(alice.did, HOST);
    return challenges.redeem({ did: alice.did, nonce, signature: sign(alice, { nonce }) }, HOST)
      .token;
  };

  it('is nothing when its did, its time or its seal is changed, or another process made it', () => {
    const here = fixture();
    const [head = '', did = '', time = '', seal = ''] = tokenOf(here).split('.');
    const other = mallory.did.slice('did:key:'.length);
    for (const forged of [
      [head, other, time, seal],
      [head, did, String(Number(time) + 1), seal],
      [head, did, `0${time}`, seal],
      [head, did, time, `${seal.slice(0, -1)}${seal.endsWith('A') ? 'E' : 'A'}`],
      [head, did, time, ''],
      [head, did, time],
    ]) {
      expect(here.challenges.check(forged.join('.'))).toBeUndefined();
    }
    expect(here.challenges.check(tokenOf(fixture()))).toBeUndefined();
  });
});
