/** The one yes or no, and what a refused caller is told. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeRefusal, parseResource } from '../../../src/grants/index.ts';
import type { Capability, GrantBook } from '../../../src/grants/index.ts';
import { createGuard } from '../../../src/guard/index.ts';
import type { Decision, Guard, Principal } from '../../../src/guard/index.ts';
import { peerIdFromDid } from '../../../src/identity/index.ts';
import {
  NOW_MS,
  alice,
  bob,
  grantOf,
  emptyBook,
  manualClock,
  owner,
} from '../../grants/arrange.ts';
import { slowMatch } from '../../grants/chain/slow-match.ts';
import { anyText } from '../../fixtures/any-text.ts';

const HOUR_MS = 3_600_000;

interface Door {
  readonly guard: Guard;
  readonly book: GrantBook;
  readonly clock: ReturnType<typeof manualClock>;
  readonly grant: (...resources: readonly string[]) => Promise<string>;
  readonly ask: (resource: string, ability?: string) => Decision;
}

function peerOf(signer: { did: typeof alice.did }, alias: string): Principal {
  return { kind: 'peer', peerId: peerIdFromDid(signer.did), did: signer.did, alias };
}

async function doorOf(alias = 'laptop'): Promise<Door> {
  const clock = manualClock();
  const book = emptyBook(clock);
  const guard = createGuard({ grants: book, self: { name: 'workstation', did: owner.did } });
  const peer = peerOf(alice, alias);
  return {
    guard,
    book,
    clock,
    async grant(...resources) {
      const capabilities = resources.map((resource) => ({ resource, ability: 'tool/call' }));
      const expiresAtMs = clock.now() + HOUR_MS;
      const grant = await book.issue({ aud: alice.did, capabilities, expiresAtMs });
      return grant.claims.jti;
    },
    ask: (resource, ability = 'tool/call') => guard.decide(peer, { resource, ability }),
  };
}

function refusalOf(decision: Decision): { why: string; rule: string; hint: string } {
  if (decision.allow) throw new Error('it was allowed');
  const [cause] = decision.refusal.causes ?? [];
  return {
    why: describeRefusal(decision.refusal),
    rule: cause?.rule ?? '',
    hint: decision.hint,
  };
}

describe('the guard', () => {
  it('lets the operator do everything, even what has no proper name', async () => {
    const { guard } = await doorOf();
    const decide = (resource: string): Decision =>
      guard.decide({ kind: 'operator' }, { resource, ability: 'tool/call' });
    expect(decide('tool:starling/grant_create')).toEqual({ allow: true });
    expect(decide('tool:files/..')).toEqual({ allow: true });
  });

  it('lets a peer do what it was granted, and nothing else', async () => {
    const { ask, grant, guard } = await doorOf();
    expect(ask('tool:files/read_file').allow).toBe(false);
    await grant('tool:files/read_*');
    expect(ask('tool:files/read_file')).toMatchObject({ allow: true, grant: { claims: {} } });
    expect(ask('tool:files/write_file').allow).toBe(false);
    expect(ask('tool:git/read_file').allow).toBe(false);
    expect(ask('tool:files/read_file', 'tool/*').allow).toBe(false);
    expect(ask('tool:files/read_file', '*').allow).toBe(false);
    const other = peerOf(bob, 'phone');
    const wanted = { resource: 'tool:files/read_file', ability: 'tool/call' };
    expect(guard.decide(other, wanted).allow).toBe(false);
  });

  it('never lets a wildcard reach the built-in server', async () => {
    const { ask, grant } = await doorOf();
    await grant('tool:**', 'tool:*/*', 'tool:s*/**');
    expect(ask('tool:git/status').allow).toBe(true);
    expect(ask('tool:starling/status').allow).toBe(false);
    await grant('tool:starling/status');
    expect(ask('tool:starling/status').allow).toBe(true);
    expect(ask('tool:starling/grant_create').allow).toBe(false);
  });

  it('lets a peer use a grant that somebody delegated to it', async () => {
    const { guard, book } = await doorOf();
    const cap: Capability[] = [{ resource: 'tool:files/*', ability: 'tool/call' }];
    const expiresAtMs = NOW_MS + HOUR_MS;
    const root = await book.issue({ aud: alice.did, capabilities: cap, expiresAtMs, maxDepth: 1 });
    const leaf = grantOf(alice, bob, { parents: [root], cap });
    const ask = (): boolean =>
      guard.decide(peerOf(bob, 'phone'), { resource: 'tool:files/x', ability: 'tool/call' }).allow;
    expect(ask()).toBe(false);
    expect(book.present(bob.did, [leaf.jws])).toEqual([]);
    expect(ask()).toBe(true);
    await book.revoke(root.claims.jti);
    expect(ask()).toBe(false);
  });

  it('gives no force to a capability with conditions that it does not know', async () => {
    const { ask, book } = await doorOf();
    await book.issue({
      aud: alice.did,
      capabilities: [{ resource: 'tool:files/*', ability: 'tool/call', caveats: { uses: 1 } }],
      expiresAtMs: NOW_MS + HOUR_MS,
    });
    expect(ask('tool:files/x').allow).toBe(false);
  });
});

describe('a refusal', () => {
  it('says who may not do what where and why, and the command that grants it', async () => {
    const { ask } = await doorOf();
    const peerId = peerIdFromDid(alice.did);
    const { why, hint } = refusalOf(ask('tool:files/read_file'));
    expect(why.split('\n')).toEqual([
      `laptop (…${peerId.slice(-8)}) may not call files/read_file at workstation`,
      '  workstation has granted it nothing yet',
    ]);
    expect(hint).toBe("starling grant create laptop --tool 'files/read_file'");
  });

  it('tells an expired, a revoked and a narrow grant apart', async () => {
    const { ask, grant, book, clock } = await doorOf();
    const first = await grant('tool:files/*');
    await grant('tool:git/*');
    expect(refusalOf(ask('tool:mail/send'))).toMatchObject({
      rule: 'not-covered',
      why: expect.stringMatching(/\n {2}what workstation has granted it covers other/) as string,
    });
    await book.revoke(first, 'the laptop is lost');
    const revoked = refusalOf(ask('tool:files/x'));
    expect(revoked.why).toMatch(/ is revoked: the laptop is lost$/);
    expect(revoked.rule).toBe('revoked');
    expect(revoked.why).toContain(first.slice(0, 8));
    await clock.advance(HOUR_MS);
    const expired = refusalOf(ask('tool:git/x'));
    expect(expired.rule).toBe('expired');
    expect(expired.why).toContain(new Date(NOW_MS + HOUR_MS).toISOString());
    // What it had is over, and was about other things.
    const other = refusalOf(ask('tool:mail/send'));
    expect(other.why).toMatch(/\n {2}nothing that workstation has granted it is valid any more$/);
  });

  it('works with nothing but a list of held grants', () => {
    const guard = createGuard({
      grants: { held: () => [] },
      self: { name: 'workstation', did: owner.did },
    });
    const wanted = { resource: 'tool:files/x', ability: 'tool/call' };
    expect(refusalOf(guard.decide(peerOf(alice, 'laptop'), wanted)).rule).toBe('no-grant');
  });

  it.each(["x'; rm -rf ~ #", 'x\ny', '*', 'read_*', '$(reboot)', '`reboot`', '%2A', '\u202ex'])(
    'can be pasted into a shell whatever the caller called: %j',
    async (name) => {
      const { ask } = await doorOf();
      const { hint, why } = refusalOf(ask(`tool:files/${name}`));
      expect(hint).toMatch(
        /^starling grant create laptop --tool 'files\/[\w.~%-]+'$|^on workstation/,
      );
      expect(why).not.toMatch(/[\u202e]|x\ny/);
    },
  );

  it('never proposes to grant more than what was asked for', async () => {
    const { ask } = await doorOf();
    const { hint } = refusalOf(ask('tool:files/*'));
    expect(hint).toBe("starling grant create laptop --tool 'files/%2A'");
    expect(parseResource('tool:files/%2A').segments).toEqual([['files'], ['*']]);
  });

  it('names the PeerId in the command when an alias is not safe there', async () => {
    const { ask } = await doorOf('x; reboot');
    expect(refusalOf(ask('tool:files/x')).hint).toBe(
      `starling grant create ${peerIdFromDid(alice.did)} --tool 'files/x'`,
    );
  });

  it.each([
    ['its own name', () => undefined, 'workstation'],
    ['the name that the caller has for it', () => 'chief', 'chief'],
    ['a hole where that could not be pasted', () => '$(reboot)', '<peer>'],
  ])('says how to ask for it, with %s', (_, calledBy, name) => {
    const guard = createGuard({
      grants: { held: () => [] },
      self: { name: 'workstation', did: owner.did },
      open: new Set(['tool:starling/request_permission']),
      calledBy,
    });
    const wanted = { resource: 'tool:files/read', ability: 'tool/call' };
    const decision = guard.decide(peerOf(alice, 'laptop'), wanted);
    expect(decision).toMatchObject({
      allow: false,
      hint: "starling grant create laptop --tool 'files/read'",
      asking: `starling request '${name}/files/read' --because '<why>' (an agent: the tool ${name}__starling__request_permission)`,
    });
  });

  it('is given, never thrown, for any wish', async () => {
    const { ask } = await doorOf();
    fc.assert(
      fc.property(anyText(), fc.string(), (resource, ability) => {
        for (const text of [resource, `tool:${resource}`, `tool:files/${resource}`]) {
          expect(ask(text, ability).allow).toBe(false);
        }
      }),
      { numRuns: 500, seed: 8 },
    );
  });
});

describe('whatever is allowed', () => {
  it('is covered by a grant, and the other way round', async () => {
    const pattern = fc.constantFrom('tool:a/*', 'tool:a/r*', 'tool:*/read', 'tool:b/**', 'tool:**');
    const target = fc.constantFrom('tool:a/read', 'tool:a/run', 'tool:b/x/y', 'tool:starling/read');
    await fc.assert(
      fc.asyncProperty(fc.array(pattern, { maxLength: 3 }), target, async (patterns, wanted) => {
        const { ask, grant } = await doorOf();
        for (const resource of patterns) await grant(resource);
        expect(ask(wanted).allow).toBe(patterns.some((it) => slowMatch(it, wanted)));
      }),
      { numRuns: 100, seed: 9 },
    );
  });
});
