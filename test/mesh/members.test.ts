/** Coming, going and being put out, as the records of a mesh tell it: nodes that say hello, with no network. */
import { describe, expect, it } from 'vitest';
import { createMembers } from '../../src/mesh/index.ts';
import type { Members } from '../../src/mesh/index.ts';
import { DAY_MS, founded, joined, meet, side, stillClock, ticketOf } from './sides.ts';
import type { Side } from './sides.ts';

const REASON = 'it was lost';

function membersOf(of: Side, clock = stillClock()): Members {
  const { grants, identity, mesh } = of;
  return createMembers({ grants, identity, ownMesh: mesh, clock });
}

/** Hands over all records that `to` lacks. */
async function tell(from: Side, to: Side): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    await to.mesh.records().addAll([...from.mesh.records().all().values()]);
  }
}

/** Alice let bob in, and bob carol; alice and carol know all of it. */
async function chain(): Promise<{
  clock: ReturnType<typeof stillClock>;
  alice: Side;
  bob: Side;
  carol: Side;
}> {
  const clock = stillClock();
  const alice = await founded(clock);
  clock.pass(1000);
  const bob = await joined(alice, clock, 2);
  clock.pass(1000);
  const carol = await joined(bob, clock, 3);
  await tell(bob, alice);
  await tell(alice, carol);
  return { clock, alice, bob, carol };
}

describe('putting out', () => {
  it('takes who was let in by it along, its grants and its open tickets, and says so', async () => {
    const { clock, alice, bob, carol } = await chain();
    await ticketOf(bob);
    await tell(bob, alice);
    const { claims } = await alice.grants.issue({
      aud: bob.identity.did,
      capabilities: [{ resource: 'tool:files/*', ability: 'tool/call' }],
      expiresAtMs: clock.now() + DAY_MS,
    });
    const members = membersOf(alice, clock);
    expect(members.tickets()).toMatchObject([{ by: bob.identity.did, uses: 1, usedBy: [] }]);
    const out = await members.putOut(bob.identity.did, REASON);
    expect(out.members).toEqual([carol.identity.did]);
    expect(out.grants).toEqual([claims.jti]);
    expect(out.tickets).toHaveLength(1);
    expect(members.tickets()).toEqual([]);
    const end = { by: alice.identity.did, of: bob.identity.did, reason: REASON };
    expect(members.all()).toMatchObject([
      { did: alice.identity.did, isFounder: true },
      { did: bob.identity.did, by: alice.identity.did, end: { ...end, isAbove: false } },
      { did: carol.identity.did, by: bob.identity.did, end: { ...end, isAbove: true } },
    ]);
  });

  it('is for those above alone, who are named', async () => {
    const { alice, bob, carol } = await chain();
    await expect(membersOf(carol).putOut(bob.identity.did)).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
      data: { above: [alice.identity.did] },
    });
    expect(bob.mesh.isMember()).toBe(true);
    await expect(
      membersOf(alice).putOut((await side('eve', stillClock(), 9)).identity.did),
    ).rejects.toMatchObject({ code: 'STARLING_PEER_UNKNOWN' });
  });

  it('leaves no trace of one that two members let in, where one of them alone may not', async () => {
    const { alice, bob, carol } = await chain();
    // Before newcomers met members one by one, both could let the same one in.
    const both = alice.mesh.delegate(carol.identity.did, true, Number.MAX_SAFE_INTEGER);
    await bob.mesh.records().addAll([both.jws]);
    const before = bob.mesh.records().all().size;
    await expect(membersOf(bob).putOut(carol.identity.did)).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
    });
    expect(bob.mesh.records().all().size).toBe(before);
  });

  it('is told to who was put out by the first member that it meets, and a new ticket lets it in again', async () => {
    const { clock, alice, bob } = await chain();
    await membersOf(alice, clock).putOut(bob.identity.did, REASON);
    // Bob was away, and believes that he belongs.
    expect(bob.mesh.isMember()).toBe(true);
    const answer = await meet(bob, alice);
    if (answer.ok) throw new Error('bob was let in');
    await expect(bob.admission.answered(answer, alice.identity.peerId)).rejects.toMatchObject({
      code: 'STARLING_MEMBERSHIP_ENDED',
      message: expect.stringMatching(
        /^this node was put out of the mesh 'home' .* by ….* at 2026.*: it was lost$/,
      ) as string,
    });
    expect(bob.mesh.ended()).toMatchObject({ by: alice.identity.did, reason: REASON });
    await expect(ticketOf(bob)).rejects.toMatchObject({ code: 'STARLING_MEMBERSHIP_ENDED' });
    await bob.admission.takeTicket(await ticketOf(alice));
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(bob.mesh.isMember()).toBe(true);
    expect(bob.mesh.ended()).toBeUndefined();
  });

  it('does not let it in again by the ticket that it came in by, and no ticket that it made opens again', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await side('bob', clock, 2);
    const addresses = [`/ip4/127.0.0.1/tcp/4040/p2p/${alice.identity.peerId}`];
    const init = { addresses, expiresInMs: DAY_MS, canInvite: true };
    for (const uses of [1, 3]) {
      const { ticket } = await alice.admission.invite({ ...init, uses });
      await bob.admission.takeTicket(ticket);
      expect(await meet(bob, alice)).toMatchObject({ ok: true });
      await ticketOf(bob);
      await tell(bob, alice);
      await membersOf(alice, clock).putOut(bob.identity.did, REASON);
      const open = membersOf(alice, clock).tickets().length;
      await tell(alice, bob);
      await bob.admission.takeTicket(ticket);
      expect(await meet(bob, alice), `a ticket for ${uses}`).toMatchObject({
        ok: false,
        code: 'STARLING_TICKET_SPENT',
        reason: expect.stringContaining(
          'came in by this ticket before, and is no member',
        ) as string,
      });
      expect(alice.admission.isMember(bob.identity.peerId)).toBe(false);
      clock.pass(2000);
      await bob.admission.takeTicket(await ticketOf(alice));
      expect(await meet(bob, alice)).toMatchObject({ ok: true });
      expect(membersOf(alice, clock).tickets()).toHaveLength(open);
      await membersOf(alice, clock).putOut(bob.identity.did, REASON);
      await tell(alice, bob);
      clock.pass(2000);
    }
  });

  it('is told to who came in by a ghost, by the first real member', async () => {
    const { clock, alice, bob } = await chain();
    await membersOf(alice, clock).putOut(bob.identity.did);
    const guest = await joined(bob, clock, 5);
    const answer = await meet(guest, alice);
    if (answer.ok) throw new Error('the guest was let in');
    await expect(guest.admission.answered(answer, alice.identity.peerId)).rejects.toMatchObject({
      message: expect.stringMatching(
        /by whom this node came in, was put out of the mesh 'home'/,
      ) as string,
    });
    expect(guest.mesh.isMember()).toBe(false);
  });

  it('is not believed from who may not do it', async () => {
    const { clock, alice, bob, carol } = await chain();
    const { issueRevocation } = await import('../../src/grants/index.ts');
    const membership = bob.mesh.ownChain()[0];
    if (membership === undefined) throw new Error('bob has a membership');
    const ended = issueRevocation(carol.identity, membership, clock.now()).jws;
    const refusal = { ok: false, code: 'STARLING_JOIN_REFUSED', reason: 'no', ended } as const;
    await expect(bob.admission.answered(refusal, carol.identity.peerId)).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
    });
    expect(bob.mesh.isMember()).toBe(true);
    expect(alice.mesh.hasMember(bob.identity.peerId)).toBe(true);
  });
});

describe('leaving', () => {
  it('ends the own membership, and none below it', async () => {
    const { clock, alice, bob, carol } = await chain();
    await membersOf(bob, clock).sayGoodbye();
    await tell(bob, alice);
    await tell(bob, carol);
    expect(alice.mesh.hasMember(bob.identity.peerId)).toBe(false);
    expect(alice.mesh.hasMember(carol.identity.peerId)).toBe(true);
    expect(carol.mesh.isMember()).toBe(true);
    const own = membersOf(alice, clock)
      .all()
      .find(({ did }) => did === bob.identity.did);
    expect(own?.end).toMatchObject({ by: bob.identity.did, of: bob.identity.did });
    // It comes back like anybody else.
    expect(await meet(bob, alice)).toMatchObject({ ok: false });
  });
});

describe('a mesh of one’s own', () => {
  it('is founded for good only once that is kept', async () => {
    const alice = await side('alice', stillClock(), 1);
    await alice.mesh.found('home');
    expect(alice.mesh.isMember()).toBe(true);
    expect((await alice.reload()).mesh.mesh()).toBeUndefined();
    await alice.mesh.keep();
    const again = await alice.reload();
    expect(again.mesh.mesh()).toEqual(alice.mesh.mesh());
    expect(again.mesh.isMember()).toBe(true);
    expect(again.mesh.hasFounded()).toBe(false);
  });

  it('is left for that of a ticket where nobody else is in it and a person agrees, and until then is as it was', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const bob = await side('bob', clock, 2);
    await bob.mesh.found('bobs');
    await bob.mesh.keep();
    const ticket = await ticketOf(alice);
    const asked: string[] = [];
    await expect(
      bob.admission.takeTicket(ticket, async (from, to) => {
        asked.push(`${from.name} ${to.name} ${to.fingerprint}`);
        return false;
      }),
    ).rejects.toMatchObject({
      code: 'STARLING_MESH_MISMATCH',
      hint: expect.stringContaining('--yes') as string,
    });
    expect(asked).toEqual([`bobs home ${alice.mesh.require().fingerprint}`]);
    await bob.admission.takeTicket(ticket, async () => true);
    // It is on its way, and not in: a run that ends now has changed nothing.
    expect((await bob.reload()).mesh.mesh()?.name).toBe('bobs');
    expect(await meet(bob, alice)).toMatchObject({ ok: true });
    expect(bob.mesh.mesh()).toEqual(alice.mesh.mesh());
  });

  it('is not left by a ticket once another was ever in it', async () => {
    const clock = stillClock();
    const [alice, other] = [await founded(clock), await side('other', clock, 7)];
    await other.mesh.found('away');
    await joined(other, clock, 8);
    await expect(
      other.admission.takeTicket(await ticketOf(alice), async () => true),
    ).rejects.toMatchObject({
      code: 'STARLING_MESH_MISMATCH',
      hint: expect.stringContaining('starling leave') as string,
    });
  });
});
