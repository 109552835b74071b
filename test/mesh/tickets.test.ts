/** Tickets in the wrong hands, at the wrong time, and of the wrong people. */
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/core/index.ts';
import { issueGrant } from '../../src/grants/index.ts';
import { createIdentity, randomSeed, signerFromSeed } from '../../src/identity/index.ts';
import { inviteCapabilities } from '../../src/mesh/records/invites.ts';
import { encodeTicket, inviteSeed, parseTicket } from '../../src/mesh/tickets/ticket-short.ts';
import { encodeLongTicket } from '../wire/long-ticket.ts';
import { DAY_MS, founded, joined, meet, side, stillClock, ticketOf } from './sides.ts';
import type { Side } from './sides.ts';

/** Gives `to` what `from` knows. */
const tell = (from: Side, to: Side): Promise<number> =>
  to.mesh.records().addAll([...from.mesh.records().all().values()]);

/** Lets `from` ask `maker` about its tickets, as over a stream. */
const reaches = (from: Side, maker: Side): void =>
  from.admission.askInvitersBy(async (inviter, question) =>
    inviter === maker.identity.peerId ? maker.admission.answerInvite(question) : undefined,
  );

async function newcomer(ticket: Secret, clock: ReturnType<typeof stillClock>, byte: number) {
  const made = await side(`new${byte}`, clock, byte);
  await made.admission.takeTicket(ticket);
  return made;
}

/** Three members: alice, who founded the mesh, and two whom she let in. */
async function three() {
  const clock = stillClock();
  const alice = await founded(clock);
  const bob = await joined(alice, clock, 2);
  const dave = await joined(alice, clock, 3);
  return { clock, alice, bob, dave };
}

describe('a ticket', () => {
  it('is short: under 250 characters with three addresses, one of them IPv6', async () => {
    const alice = await founded();
    const addresses = ['ip4/192.168.1.20/tcp/4040', 'ip6/2001:db8::20/tcp/4040'].map(
      (text) => `/${text}/p2p/${alice.identity.peerId}`,
    );
    const more = `/ip4/192.168.1.20/tcp/4041/ws/p2p/${alice.identity.peerId}`;
    const init = { addresses: [...addresses, more], expiresInMs: DAY_MS, canInvite: true };
    const { ticket } = await alice.admission.invite(init);
    expect(ticket.reveal().length).toBeLessThan(250);
    expect(parseTicket(ticket).addresses).toEqual([...addresses, more]);
  });

  it('has the first of many long addresses, and of the others what keeps it under 250 characters', async () => {
    const alice = await founded();
    const named = ['tcp/4040', 'tcp/4041/ws'].map(
      (rest) => `/dns4/workstation.office.example.com/${rest}/p2p/${alice.identity.peerId}`,
    );
    const init = { addresses: named, expiresInMs: DAY_MS, canInvite: true };
    const { ticket } = await alice.admission.invite(init);
    expect(ticket.reveal().length).toBeLessThan(250);
    expect(parseTicket(ticket).addresses).toEqual(named.slice(0, 1));
  });

  it.each<[string, (text: string) => string, string]>([
    ['stands there twice', (text) => text + text, 'it stands there twice: give it once'],
    ['is cut', (text) => text.slice(0, -9), 'it is damaged, perhaps cut when it was copied'],
    ['is that of the README', () => 'starling2…', 'it is an example, of which the end is left out'],
  ])('that %s is told as that', async (_, made, says) => {
    const ticket = await ticketOf(await founded());
    expect(() => parseTicket(new Secret(made(ticket.reveal())))).toThrow(says);
  });

  it('that is shown to two members at once lets one in, because they ask who made it', async () => {
    const { clock, alice, bob, dave } = await three();
    const ticket = await ticketOf(alice);
    await tell(alice, bob);
    for (const member of [bob, dave]) reaches(member, alice);
    const [one, other] = [await newcomer(ticket, clock, 4), await newcomer(ticket, clock, 5)];
    const answers = await Promise.all([meet(one, bob), meet(other, dave)]);
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers.find(({ ok }) => !ok)).toMatchObject({ code: 'STARLING_TICKET_SPENT' });
  });

  it('is honoured by a member that has not heard of its invite, which asks who made it', async () => {
    const { clock, alice, bob } = await three();
    reaches(bob, alice);
    const guest = await newcomer(await ticketOf(alice), clock, 4);
    expect(await meet(guest, bob)).toMatchObject({ ok: true });
    expect(guest.mesh.isMember()).toBe(true);
    expect(bob.mesh.records().digest()).not.toBe('');
  });

  it('tells who shows it when neither the invite nor who made it is there', async () => {
    const { clock, alice, bob } = await three();
    const guest = await newcomer(await ticketOf(alice), clock, 4);
    expect(await meet(guest, bob)).toMatchObject({
      ok: false,
      code: 'STARLING_PEER_UNREACHABLE',
      reason: expect.stringContaining(alice.identity.peerId) as string,
    });
    reaches(bob, alice);
    expect(await meet(guest, bob)).toMatchObject({ ok: true });
  });

  it('that let in too many while members were cut off is told to a person when they meet', async () => {
    const { clock, alice, bob, dave } = await three();
    const ticket = await ticketOf(alice);
    for (const member of [bob, dave]) await tell(alice, member);
    const [one, other] = [await newcomer(ticket, clock, 4), await newcomer(ticket, clock, 5)];
    expect(await meet(one, bob)).toMatchObject({ ok: true });
    expect(await meet(other, dave)).toMatchObject({ ok: true });
    expect(bob.health.warnings()).toEqual([]);
    await tell(dave, bob);
    const [warning] = bob.health.warnings();
    expect(warning?.code).toBe('ticket-overused');
    for (const { identity } of [one, other]) expect(warning?.text).toContain(identity.peerId);
    // Nobody else comes in by it from now on.
    const third = await newcomer(ticket, clock, 6);
    expect(await meet(third, bob)).toMatchObject({ code: 'STARLING_TICKET_SPENT' });
    // The member that let it in puts one out: then there are no more than the ticket was for.
    const given = dave.grants.issued().find(({ claims }) => claims.aud === other.identity.did);
    const revocation = await dave.grants.revoke(given?.claims.jti ?? '');
    await dave.mesh.records().add(revocation.jws);
    await tell(dave, bob);
    expect(bob.health.warnings()).toEqual([]);
  });

  it('for three nodes lets in three, and each of them again', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const addresses = [`/ip4/127.0.0.1/tcp/4040/p2p/${alice.identity.peerId}`];
    const init = { addresses, expiresInMs: DAY_MS, canInvite: false, uses: 3 };
    const { ticket } = await alice.admission.invite(init);
    for (const byte of [4, 5, 6]) {
      const guest = await newcomer(ticket, clock, byte);
      expect(await meet(guest, alice)).toMatchObject({ ok: true });
      await expect(ticketOf(guest)).rejects.toMatchObject({ code: 'STARLING_JOIN_REFUSED' });
    }
    const fourth = await newcomer(ticket, clock, 7);
    expect(await meet(fourth, alice)).toMatchObject({
      code: 'STARLING_TICKET_SPENT',
      reason: expect.stringContaining('all 3 uses') as string,
    });
  });

  it('is refused once it is revoked, by whoever has heard of that', async () => {
    const { clock, alice, bob } = await three();
    const ticket = await ticketOf(alice);
    const invite = alice.grants.issued().find((one) => alice.admission.ticketOf(one) === 'open');
    const revocation = await alice.grants.revoke(invite?.claims.jti ?? '');
    await alice.mesh.records().add(revocation.jws);
    await tell(alice, bob);
    for (const member of [alice, bob]) {
      const guest = await newcomer(ticket, clock, 4);
      expect(await meet(guest, member)).toMatchObject({ code: 'STARLING_TICKET_INVALID' });
    }
  });

  it('of a member that was put out is refused, and why is said', async () => {
    const { clock, alice, bob } = await three();
    const ticket = await ticketOf(bob);
    await tell(bob, alice);
    const membership = alice.grants.issued().find(({ claims }) => claims.aud === bob.identity.did);
    const revocation = await alice.grants.revoke(membership?.claims.jti ?? '');
    await alice.mesh.records().add(revocation.jws);
    reaches(alice, bob);
    const guest = await newcomer(ticket, clock, 4);
    expect(await meet(guest, alice)).toMatchObject({
      code: 'STARLING_TICKET_INVALID',
      reason: expect.stringContaining('who made it is no member any more') as string,
    });
  });

  it('that has expired is refused by the member, whatever the clock of the newcomer says', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const ticket = await ticketOf(alice, true, 60_000);
    const behind = { ...clock, now: () => clock.now() - 240_000 };
    clock.pass(180_000);
    const guest = await side('behind', behind, 4);
    await guest.admission.takeTicket(ticket);
    expect(await meet(guest, alice)).toMatchObject({ code: 'STARLING_TICKET_EXPIRED' });
    const far = { ...clock, now: () => clock.now() - 3_600_000 };
    const other = await side('far', far, 5);
    await other.admission.takeTicket(ticket);
    expect(await meet(other, alice)).toMatchObject({
      reason: expect.stringContaining('5 minutes are taken') as string,
    });
    // The member's operator reads the same in `status` and `doctor`.
    expect(alice.health.warnings()).toMatchObject([
      { code: 'newcomer-clock', text: expect.stringContaining('60m behind ours') as string },
    ]);
  });

  it('is no key of a member: who uses its secret as the key of a node is a stranger', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const { seed } = parseTicket(await ticketOf(alice));
    const thief = createIdentity(seed);
    const [invite] = alice.mesh.records().invitesTo(thief.did);
    const chain = [invite?.jws ?? '', ...alice.mesh.ownChain().map(({ jws }) => jws)];
    const { id } = alice.mesh.require();
    const hello = {
      version: 2,
      release: '0.2.0',
      mesh: id,
      name: 't',
      time: clock.now(),
      membership: chain,
    } as const;
    expect(await alice.admission.admit(hello, thief.peerId)).toMatchObject({ ok: false });
    expect(alice.admission.isMember(thief.peerId)).toBe(false);
  });

  it.each([
    ['no multiaddr', [Uint8Array.of(255, 255, 255)]],
    ['nothing', []],
    ['seven of them', Array.from({ length: 7 }, () => Uint8Array.of(4, 127, 0, 0, 1, 6, 15, 200))],
  ])('with addresses that are %s is no ticket', async (_, addresses) => {
    const { encode } = await import('cborg');
    const { createHash } = await import('node:crypto');
    const { base32 } = await import('multiformats/bases/base32');
    const key = createIdentity(randomSeed());
    const { publicKey } = key;
    const fields = [publicKey, new Uint8Array(16), 2_000_000_000, 'home', publicKey, addresses];
    const body = encode(fields);
    const check = createHash('sha256').update('starling2').update(body).digest().subarray(0, 3);
    const text = `starling2${base32.encode(Buffer.concat([body, check])).slice(1)}`;
    expect(() => parseTicket(new Secret(text))).toThrow('not a Starling ticket');
  });

  it('that leads back to the node that made it says so at once', async () => {
    const clock = stillClock();
    const self = await side('self', clock, 4);
    const ticket = encodeTicket({
      mesh: createIdentity(randomSeed()).did,
      name: 'home',
      addresses: ['/ip4/127.0.0.1/tcp/4040'],
      secret: new Uint8Array(16),
      expiresAt: clock.now() / 1000 + 60,
      inviter: self.identity.peerId,
    });
    await expect(self.admission.takeTicket(ticket)).rejects.toMatchObject({
      message: 'this node has made that ticket itself',
    });
  });

  it('made before tickets were short is still honoured', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const seed = randomSeed();
    const key = signerFromSeed(seed);
    const invite = alice.mesh.delegate(key.did, true, clock.now() / 1000 + 3600);
    const { id, name } = alice.mesh.require();
    const grants = [invite, ...alice.mesh.ownChain()];
    const addresses = [`/ip4/127.0.0.1/tcp/4040/p2p/${alice.identity.peerId}`];
    const ticket = encodeLongTicket({ mesh: id, name, addresses, seed, grants });
    const guest = await newcomer(ticket, clock, 4);
    expect(await meet(guest, alice)).toMatchObject({ ok: true });
    const late = await newcomer(ticket, clock, 5);
    expect(await meet(late, alice)).toMatchObject({ code: 'STARLING_TICKET_SPENT' });
  });
});

describe('an invite among the records', () => {
  const forged = (signer: Side, parent: Side, to: string): string => {
    const [own] = parent.mesh.ownChain();
    if (own === undefined) throw new Error('a member has a membership');
    const { id } = parent.mesh.require();
    const cap = inviteCapabilities(`mesh:${id}`, { uses: 100, canInvite: false });
    const expiresAt = own.claims.exp;
    const init = { aud: to as never, sub: id, cap, expiresAt, parents: [own] };
    return issueGrant(signer.identity, init, Date.UTC(2026, 10, 21)).jws;
  };

  it('is not taken from a stranger, nor from a member that may not invite', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const carol = await joined(alice, clock, 2, false);
    const eve = await side('eve', clock, 9);
    const to = createIdentity(randomSeed()).did;
    expect(await alice.mesh.records().add(forged(carol, carol, to))).toBe(false);
    expect(await alice.mesh.records().add(forged(eve, alice, to))).toBe(false);
    expect(alice.mesh.records().invitesTo(to)).toEqual([]);
  });

  it('of another member to the same key does not change what the ticket is worth', async () => {
    const { clock, alice, bob } = await three();
    const ticket = await ticketOf(alice);
    const key = signerFromSeed(parseTicket(ticket).seed).did;
    // Bob may invite whom he likes, but not in the name of alice.
    expect(await alice.mesh.records().add(forged(bob, bob, key))).toBe(true);
    const [one, other] = [await newcomer(ticket, clock, 4), await newcomer(ticket, clock, 5)];
    expect(await meet(one, alice)).toMatchObject({ ok: true });
    expect(await meet(other, alice)).toMatchObject({ code: 'STARLING_TICKET_SPENT' });
  });
});

describe('a newcomer', () => {
  it('accepts nobody who only calls its mesh by the same name', async () => {
    const clock = stillClock();
    const alice = await founded(clock);
    const pretender = await side('pretender', clock, 8);
    await pretender.mesh.found('home');
    const guest = await newcomer(await ticketOf(alice), clock, 4);
    const { peerId } = pretender.identity;
    // It answers with the mesh of the ticket and its own membership, and issues one.
    const hello = {
      ...pretender.admission.hello(guest.identity.peerId),
      mesh: alice.mesh.require().id,
    };
    const issued = hello.membership;
    await expect(
      guest.admission.answered({ ok: true, hello, issued }, peerId),
    ).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
    });
    // Nor with the membership of alice, which is not its own.
    const stolen = alice.admission.hello(guest.identity.peerId);
    await expect(
      guest.admission.answered({ ok: true, hello: stolen, issued }, peerId),
    ).rejects.toMatchObject({ code: 'STARLING_JOIN_REFUSED' });
    expect(guest.mesh.isMember()).toBe(false);
    // What it has shown to the pretender is of no use at alice.
    const overheard = guest.admission.hello(peerId);
    expect(await alice.admission.admit(overheard, peerId)).toMatchObject({ ok: false });
    expect(await meet(guest, alice)).toMatchObject({ ok: true });
  });

  it('has a secret that leads to another key in another mesh', () => {
    const secret = new Uint8Array(16);
    const [one, other] = [createIdentity(randomSeed()).did, createIdentity(randomSeed()).did];
    expect(inviteSeed(secret, one)).not.toEqual(inviteSeed(secret, other));
  });
});
