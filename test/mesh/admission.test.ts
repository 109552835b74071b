/** Who is let into a mesh: two or three nodes that say hello to each other, with no network. */
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/index.ts';
import { issueSuccession } from '../../src/grants/index.ts';
import { createIdentity } from '../../src/identity/index.ts';
import { ownSuccessions } from '../../src/mesh/hello-successions.ts';
import { decodeHello, encodeHello } from '../../src/network/admission/hello-codec.ts';
import { HELLO_MAX_BYTES } from '../../src/network/constants.ts';
import type { Hello, HelloAnswer } from '../../src/network/index.ts';
import { DAY_MS, founded, joined, meet, side, stillClock, ticketOf } from './sides.ts';
import type { Side } from './sides.ts';

const refusedWith = (code: string): object => ({ ok: false, code });

describe('a private mesh', () => {
  it('lets in who brings a ticket, and then knows it without', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    expect(alice.admission.isMember(bob.identity.peerId)).toBe(true);
    expect(bob.admission.isMember(alice.identity.peerId)).toBe(true);
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(await meet(alice, bob)).toMatchObject({ ok: true });
  });

  it('lets any member bring in the next one, whom the others then know by its chain', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const carol = await joined(bob, clock, 3);
    expect(alice.admission.isMember(carol.identity.peerId)).toBe(false);
    expect(await meet(carol, alice)).toMatchObject({ ok: true });
    expect(alice.admission.isMember(carol.identity.peerId)).toBe(true);
  });

  it('lets in who has changed its key 63 times while nobody looked, the most that there may be', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const mesh = bob.mesh.require().id;
    const keys = [bob.identity];
    for (let change = 1; change <= 63; change += 1) {
      const next = createIdentity(Buffer.alloc(32, 100 + change));
      const succession = issueSuccession(keys.at(-1) ?? next, next, { mesh }, clock.now());
      await bob.mesh.successions.add(succession);
      keys.push(next);
    }
    const { did, peerId } = keys.at(-1) ?? bob.identity;
    const membership = bob.mesh
      .records()
      .membershipOf(did)
      ?.map(({ jws }) => jws);
    const successions = ownSuccessions(bob.mesh.successions, {
      did,
      mesh,
      others: membership ?? [],
    });
    expect(successions).toHaveLength(63);
    const own = bob.admission.hello(alice.identity.peerId);
    const bytes = encodeHello({ ...own, membership: membership ?? [], successions });
    expect(bytes.length).toBeLessThan(HELLO_MAX_BYTES);
    expect(await alice.admission.admit(decodeHello(bytes, peerId), peerId)).toMatchObject({
      ok: true,
    });
    expect(alice.admission.isMember(peerId)).toBe(true);
    // What else is in the message takes its room: the newest stay.
    const others = ['x'.repeat(50 * 1024)];
    const fewer = ownSuccessions(bob.mesh.successions, { did, mesh, others });
    expect(fewer.length).toBeLessThan(30);
    expect(fewer).toEqual(successions.slice(-fewer.length));
  });

  it('lets a newcomer that meets two members at once in by one of them', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const newcomer = await side('carol', clock, 3);
    await newcomer.admission.takeTicket(await ticketOf(alice));
    // Bob knows the invite, as all members do, so that each of the two could let her in.
    await bob.mesh.records().addAll([...alice.mesh.records().all().values()]);
    const answers = await Promise.all([meet(newcomer, alice), meet(newcomer, bob)]);
    expect(answers).toMatchObject([{ ok: true }, { ok: true }]);
    expect(answers.map((answer) => answer.ok && answer.issued !== undefined)).toEqual([
      true,
      false,
    ]);
  });

  it('lets nobody in by a ticket that was ended, and leaves who came in by it', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const [first, second] = [await ticketOf(alice), await ticketOf(alice)];
    const bob = await side('bob', clock, 2);
    await bob.admission.takeTicket(first);
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    await alice.admission.endTicket(first);
    await alice.admission.endTicket(second);
    expect(alice.admission.isMember(bob.identity.peerId)).toBe(true);
    const carol = await side('carol', clock, 3);
    await carol.admission.takeTicket(second);
    const hello = carol.admission.hello(alice.identity.peerId);
    expect(await alice.admission.admit(hello, carol.identity.peerId)).toMatchObject({ ok: false });
  });

  it('tells tickets that are open from those that are spent, and both from memberships', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const files = { resource: 'tool:files/*', ability: 'tool/call' };
    const expiresAtMs = clock.now() + DAY_MS;
    const tool = await alice.grants.issue({
      aud: bob.identity.did,
      capabilities: [files],
      expiresAtMs,
    });
    const kinds = (): unknown[] =>
      alice.grants.issued().flatMap((grant) => alice.admission.ticketOf(grant) ?? []);
    expect(kinds()).toEqual(['spent']);
    // What lets nobody in any more goes by itself.
    await ticketOf(alice);
    expect(kinds()).toEqual(['open']);
    clock.pass(2 * DAY_MS);
    await ticketOf(alice);
    expect(kinds()).toEqual(['open']);
    expect(alice.admission.ticketOf(tool)).toBeUndefined();
  });

  it('remembers over a restart which mesh it is, and who belongs to it', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const again = await bob.reload();
    expect(again.mesh.mesh()).toEqual(alice.mesh.mesh());
    expect(again.mesh.isMember()).toBe(true);
    expect(again.admission.isMember(alice.identity.peerId)).toBe(true);
  });

  it('refuses who shows nothing, and says how to get in', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const eve = await side('eve', clock, 9);
    const { id } = alice.mesh.mesh() ?? {};
    const hello: Hello = {
      version: 2,
      release: '0.2.0',
      name: 'eve',
      time: clock.now(),
      membership: [],
      ...(id && { mesh: id }),
    };
    const answer = await alice.admission.admit(hello, eve.identity.peerId);
    expect(answer).toMatchObject(refusedWith('STARLING_JOIN_REFUSED'));
    expect(answer).toMatchObject({ reason: expect.stringContaining('starling invite') as string });
  });

  it('says whom it met, where that node is about to join and no member yet', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await side('bob', clock, 2);
    const { peerId } = bob.identity;
    const welcome: HelloAnswer = { ok: true, hello: bob.admission.hello(alice.identity.peerId) };
    await expect(alice.admission.answered(welcome, peerId)).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
      message: `${peerId} is no member of this mesh yet`,
    });
  });

  it('tells who asks which mesh it is only that, and whether it is open', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const eve = await side('eve', clock, 9);
    const hello: Hello = {
      version: 2,
      release: '0.2.0',
      name: 'eve',
      time: clock.now(),
      membership: [],
    };
    expect(await alice.admission.admit(hello, eve.identity.peerId)).toMatchObject({
      ok: false,
      mesh: alice.mesh.mesh()?.id,
      meshName: 'home',
      open: false,
    });
  });

  it('refuses a ticket that was used by somebody else', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const ticket = await ticketOf(alice);
    const bob = await side('bob', clock, 2);
    const eve = await side('eve', clock, 9);
    await bob.admission.takeTicket(ticket);
    await eve.admission.takeTicket(ticket);
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(await meet(eve, alice)).toMatchObject(refusedWith('STARLING_TICKET_SPENT'));
    expect(alice.admission.isMember(eve.identity.peerId)).toBe(false);
  });

  it('lets exactly one of two in who use a ticket at the same moment', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const ticket = await ticketOf(alice);
    const two = [await side('bob', clock, 2), await side('eve', clock, 9)];
    for (const newcomer of two) await newcomer.admission.takeTicket(ticket);
    const answers = await Promise.all(two.map((newcomer) => meet(newcomer, alice)));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
  });

  it('lets who lost the answer try again with the same ticket', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await side('bob', clock, 2);
    await bob.admission.takeTicket(await ticketOf(alice));
    const hello = bob.admission.hello(alice.identity.peerId);
    expect(await alice.admission.admit(hello, bob.identity.peerId)).toMatchObject({
      ok: true,
    });
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(bob.mesh.isMember()).toBe(true);
  });

  it('lets a member that forgot its mesh in again by a new ticket, as the member that it is', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    await joined(alice, clock, 2);
    const bob = await side('bob', clock, 2);
    await bob.admission.takeTicket(await ticketOf(alice));
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(bob.mesh.isMember()).toBe(true);
  });

  it("refuses a ticket's proof that somebody else has overheard", async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await side('bob', clock, 2);
    const eve = await side('eve', clock, 9);
    await bob.admission.takeTicket(await ticketOf(alice));
    const overheard = bob.admission.hello(alice.identity.peerId);
    expect(await alice.admission.admit(overheard, eve.identity.peerId)).toMatchObject(
      refusedWith('STARLING_TICKET_INVALID'),
    );
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
  });

  it("refuses a member's chain that somebody else shows", async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const eve = await side('eve', clock, 9);
    const stolen = bob.admission.hello(alice.identity.peerId);
    expect(await alice.admission.admit(stolen, eve.identity.peerId)).toMatchObject(
      refusedWith('STARLING_JOIN_REFUSED'),
    );
  });

  it('refuses an expired ticket at both ends', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const ticket = await ticketOf(alice, true, 1000);
    const bob = await side('bob', clock, 2);
    await bob.admission.takeTicket(ticket);
    clock.pass(120_000);
    expect(await meet(bob, alice)).toMatchObject(refusedWith('STARLING_TICKET_EXPIRED'));
    const carol = await side('carol', clock, 3);
    await expect(carol.admission.takeTicket(ticket)).rejects.toMatchObject({
      code: 'STARLING_TICKET_EXPIRED',
    });
  });

  it('lets a member start again with its old ticket, long after its time', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const ticket = await ticketOf(alice, true, 1000);
    const bob = await side('bob', clock, 2);
    await bob.admission.takeTicket(ticket);
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    clock.pass(30 * DAY_MS);
    const again = await bob.reload();
    expect(await again.admission.takeTicket(ticket)).toHaveLength(1);
    expect(again.mesh.isMember()).toBe(true);
  });

  it('refuses a proof from a clock that is more than five minutes off', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await side('bob', clock, 2);
    await bob.admission.takeTicket(await ticketOf(alice));
    const hello = bob.admission.hello(alice.identity.peerId);
    clock.pass(301_000);
    expect(await alice.admission.admit(hello, bob.identity.peerId)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('clock') as string,
    });
  });

  it('refuses a ticket of another mesh, and a member of another mesh', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const other = await side('other', clock, 7);
    await other.mesh.found('away');
    await expect(other.admission.takeTicket(await ticketOf(alice))).rejects.toMatchObject({
      code: 'STARLING_MESH_MISMATCH',
    });
    expect(await meet(other, alice)).toMatchObject(refusedWith('STARLING_MESH_MISMATCH'));
  });

  it('refuses an answer from who only claims to be a member', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const eve = await side('eve', clock, 9);
    const hello = alice.admission.hello(eve.identity.peerId);
    await expect(
      bob.admission.answered({ ok: true, hello }, eve.identity.peerId),
    ).rejects.toMatchObject({ code: 'STARLING_JOIN_REFUSED' });
  });

  it('does not let a newcomer invite whose inviter withheld that', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2, false);
    await expect(ticketOf(bob)).rejects.toMatchObject({ code: 'STARLING_JOIN_REFUSED' });
  });

  it('puts out whose membership is revoked, and whoever came in through them', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const carol = await joined(bob, clock, 3);
    await meet(carol, alice);
    const membership = alice.grants.issued().find((grant) => grant.claims.aud === bob.identity.did);
    const revocation = await alice.grants.revoke(membership?.claims.jti ?? '');
    await alice.mesh.records().add(revocation.jws);
    expect(alice.admission.isMember(bob.identity.peerId)).toBe(false);
    expect(alice.admission.isMember(carol.identity.peerId)).toBe(false);
    expect(await meet(bob, alice)).toMatchObject({ ok: false });
    await carol.mesh.records().add(revocation.jws);
    expect(carol.mesh.isMember()).toBe(false);
  });

  it('does not put out a member whom a stranger revokes', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const carol = await joined(alice, clock, 3);
    await meet(carol, bob);
    const { issueRevocation } = await import('../../src/grants/index.ts');
    const membership = alice.grants.issued().find((grant) => grant.claims.aud === bob.identity.did);
    if (membership === undefined) throw new Error('bob has a membership');
    const forged = issueRevocation(carol.identity, membership, clock.now());
    await alice.mesh.records().add(forged.jws);
    expect(alice.admission.isMember(bob.identity.peerId)).toBe(true);
  });
});

describe('an open mesh', () => {
  it('is the same for everybody who names it, and nobody needs to be asked', async () => {
    const clock = stillClock();
    const alice = await side('alice', clock, 1);
    const bob = await side('bob', clock, 2);
    await alice.mesh.enterOpen('party');
    await bob.mesh.enterOpen('party');
    expect(bob.mesh.mesh()).toEqual(alice.mesh.mesh());
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(alice.admission.isMember(bob.identity.peerId)).toBe(true);
  });

  it('is another one under another name', async () => {
    const clock = stillClock();
    const alice = await side('alice', clock, 1);
    const bob = await side('bob', clock, 2);
    await alice.mesh.enterOpen('party');
    await bob.mesh.enterOpen('work');
    expect(await meet(bob, alice)).toMatchObject(refusedWith('STARLING_MESH_MISMATCH'));
    await expect(bob.mesh.enterOpen('party')).rejects.toMatchObject({
      code: 'STARLING_MESH_MISMATCH',
    });
  });
});

describe('tickets', () => {
  it('survive copying: white space, line breaks and capitals', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const text = (await ticketOf(alice)).reveal();
    const copied = ` ${text.slice(0, 40).toUpperCase()}\n  ${text.slice(40)}\n`;
    const bob = await side('bob', clock, 2);
    expect(await bob.admission.takeTicket(new Secret(copied))).toEqual([
      `/ip4/127.0.0.1/tcp/4040/p2p/${alice.identity.peerId}`,
    ]);
    expect(text.length).toBeLessThan(250);
  });

  it.each(['', 'hello', 'starling1', 'starling1!!!!', 'starling1aaaaaaaaaaaaaaaa', 'starling2abc'])(
    'are refused when they are %j',
    async (text) => {
      const bob = await side('bob', stillClock(), 2);
      await expect(bob.admission.takeTicket(new Secret(text))).rejects.toMatchObject({
        code: 'STARLING_TICKET_INVALID',
      });
    },
  );

  it('are told from addresses, which let nobody in', async () => {
    const bob = await side('bob', stillClock(), 2);
    const text = `/ip4/10.0.0.1/tcp/4040/p2p/${bob.identity.peerId}`;
    await expect(bob.admission.takeTicket(new Secret(text))).rejects.toMatchObject({
      code: 'STARLING_TICKET_INVALID',
      message: expect.stringContaining('address') as string,
      hint: expect.stringContaining('starling invite') as string,
    });
  });

  it('are refused when they were cut or changed', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const text = (await ticketOf(alice)).reveal();
    const bob = await side('bob', clock, 2);
    const swapped = text[100] === 'a' ? 'b' : 'a';
    for (const damaged of [
      text.slice(0, -5),
      text.slice(0, 60) + text.slice(61),
      text.slice(0, 100) + swapped + text.slice(101),
    ]) {
      await expect(bob.admission.takeTicket(new Secret(damaged))).rejects.toMatchObject({
        code: 'STARLING_TICKET_INVALID',
      });
    }
  });
});

describe('a line of invitations', () => {
  it('leads in as far as it may be long, and no further', async () => {
    const clock = stillClock();
    let last = await founded(clock);
    for (let depth = 1; depth < 32; depth += 1) {
      const next = await side(`node${depth}`, clock, 100 + depth);
      await next.admission.takeTicket(await ticketOf(last));
      expect(await meet(next, last), `invitation ${depth}`).toMatchObject({ ok: true });
      last = next;
    }
    await expect(ticketOf(last)).rejects.toMatchObject({ code: 'STARLING_JOIN_REFUSED' });
  });
});

describe('two members that are cut off from each other, and each let somebody in by one ticket', () => {
  /** Gives `to` what `from` knows, in the order in which it knows it or in the opposite one. */
  async function tell(from: Side, to: Side, isReversed: boolean): Promise<void> {
    const texts = [...from.mesh.records().all().values()];
    await to.mesh.records().addAll(isReversed ? texts.toReversed() : texts);
  }

  it.each([
    ['ten seconds apart', 10_000, false],
    ['ten seconds apart, told in the opposite order', 10_000, true],
    ['in the same second', 0, false],
    ['in the same second, told in the opposite order', 0, true],
  ])('agree afterwards on who used it: whoever was first (%s)', async (_, apartMs, isReversed) => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await joined(alice, clock, 2);
    const dave = await joined(alice, clock, 3);
    const ticket = await ticketOf(alice);
    const jti =
      alice.grants.issued().find((grant) => alice.admission.ticketOf(grant) === 'open')?.claims
        .jti ?? '';
    await tell(alice, bob, false);
    await tell(alice, dave, false);
    const [first, second] = [await side('first', clock, 4), await side('second', clock, 5)];
    await first.admission.takeTicket(ticket);
    await second.admission.takeTicket(ticket);
    expect(await meet(first, bob)).toMatchObject({ ok: true });
    clock.pass(apartMs);
    expect(await meet(second, dave)).toMatchObject({ ok: true });
    expect(dave.mesh.records().usersOf(jti)).toEqual([second.identity.did]);
    const pairs: [Side, Side][] = isReversed
      ? [
          [dave, bob],
          [bob, dave],
          [dave, alice],
          [bob, alice],
        ]
      : [
          [bob, dave],
          [dave, bob],
          [bob, alice],
          [dave, alice],
        ];
    for (const [from, to] of pairs) await tell(from, to, isReversed);
    const { did } = first.identity;
    const [smaller = ''] = [did, second.identity.did].toSorted();
    const winner = apartMs > 0 ? did : smaller;
    for (const { mesh } of [alice, bob, dave]) expect(mesh.records().usersOf(jti)[0]).toBe(winner);
    // Both came in, and both stay: a membership is taken back by its revocation only.
    for (const { mesh } of [alice, bob, dave]) {
      for (const { identity } of [first, second]) {
        expect(mesh.hasMember(identity.peerId)).toBe(true);
      }
    }
    expect(bob.mesh.records().digest()).toBe(dave.mesh.records().digest());
  });
});

describe('one who comes in twice by the same ticket, at members that are cut off from each other', () => {
  it.each([
    ['in the order of the uses', [0, 1, 2]],
    ['the last use first', [2, 1, 0]],
    ['the other user last', [0, 2, 1]],
    ['the other user last, and the last use first', [2, 0, 1]],
  ])('counts from the first time: who came between is the second (told %s)', async (_, order) => {
    const clock = stillClock();
    const alice = await founded(clock);
    const doors = [await joined(alice, clock, 2), await joined(alice, clock, 3)];
    doors.push(await joined(alice, clock, 4));
    const ticket = await ticketOf(alice);
    const jti =
      alice.grants.issued().find((grant) => alice.admission.ticketOf(grant) === 'open')?.claims
        .jti ?? '';
    const all = (one: Side | undefined): string[] => [
      ...(one?.mesh.records().all().values() ?? []),
    ];
    for (const door of doors) await door.mesh.records().addAll(all(alice));
    // The one that comes back has its key, and has lost what it knew of the mesh.
    const [twice, between, back] = [
      await side('twice', clock, 5),
      await side('between', clock, 6),
      await side('twice', clock, 5),
    ];
    for (const [user, door] of [
      [twice, doors[0] ?? alice],
      [between, doors[1] ?? alice],
      [back, doors[2] ?? alice],
    ] as const) {
      await user.admission.takeTicket(ticket);
      expect(await meet(user, door)).toMatchObject({ ok: true });
      clock.pass(10_000);
    }
    for (const at of order) await alice.mesh.records().addAll(all(doors[at]));
    expect(alice.mesh.records().usersOf(jti)).toEqual([twice.identity.did, between.identity.did]);
  });
});
