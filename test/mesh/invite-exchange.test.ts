/** A member asks who made a ticket: two members, with streams between them that can be cut. */
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { PeerId } from '../../src/core/index.ts';
import { exchangeInvites } from '../../src/mesh/index.ts';
import { encodeInviteQuestion } from '../../src/mesh/tickets/invite-messages.ts';
import { createMessageStream } from '../../src/network/index.ts';
import { calm, createHub } from '../blackboard/hub.ts';
import type { Hub } from '../blackboard/hub.ts';
import { createTestClock } from '../core/test-clock.ts';
import { founded, joined, meet, side, stillClock, ticketOf } from './sides.ts';
import type { Side } from './sides.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Two {
  readonly hub: Hub;
  readonly alice: Side;
  readonly bob: Side;
  readonly guest: (byte: number) => Promise<Side>;
}

async function two(): Promise<Two> {
  const clock = stillClock();
  const alice = await founded(clock);
  const bob = await joined(alice, clock, 2);
  const hub = createHub();
  for (const { identity, admission } of [alice, bob]) {
    const network = hub.network(identity.peerId);
    exchangeInvites({ network, admission, clock: createTestClock(), logger: silentLogger });
  }
  hub.connect(alice.identity.peerId, bob.identity.peerId);
  const ticket = await ticketOf(alice);
  const guest = async (byte: number): Promise<Side> => {
    const made = await side(`guest${byte}`, clock, byte);
    await made.admission.takeTicket(ticket);
    return made;
  };
  return { hub, alice, bob, guest };
}

/** The first answer to raw bytes; undefined when there is none. */
async function asks(hub: Hub, from: PeerId, to: PeerId, bytes: Uint8Array): Promise<unknown> {
  const { signal } = new AbortController();
  const stream = await hub.network(from).open(to, '/starling/invite/1', { signal });
  const channel = createMessageStream(stream, { maxBytes: 65_536 });
  let answer: Uint8Array | undefined;
  channel.onMessage((message) => {
    answer = message;
  });
  channel.onEnd(() => undefined);
  channel.send(bytes);
  await calm();
  return answer;
}

describe('a member that is shown a ticket of another', () => {
  it('lets its holder in once the other has counted the use, and nobody else then', async () => {
    const { alice, bob, guest } = await two();
    const [one, other] = [await guest(4), await guest(5)];
    expect(await meet(one, bob)).toMatchObject({ ok: true });
    expect(await meet(other, bob)).toMatchObject({ ok: false, code: 'STARLING_TICKET_SPENT' });
    expect(await meet(other, alice)).toMatchObject({ ok: false, code: 'STARLING_TICKET_SPENT' });
    expect(await meet(one, alice)).toMatchObject({ ok: true });
  });

  it('and the other both hear who came in, and whose ticket it was', async () => {
    const { alice, bob, guest } = await two();
    const heard: unknown[] = [];
    for (const [at, { admission }] of Object.entries({ alice, bob })) {
      admission.events.on('redeemed', (newcomer, _, maker) =>
        heard.push([at, newcomer, maker === alice.identity.did]),
      );
    }
    const one = await guest(4);
    await meet(one, bob);
    // A member that asks once more for somebody who is in brings no news.
    await meet(one, alice);
    const { peerId } = one.identity;
    expect(heard).toEqual([
      ['alice', peerId, true],
      ['bob', peerId, true],
    ]);
  });

  it('says that neither is there while it is cut off, and lets the holder in afterwards', async () => {
    const { hub, alice, bob, guest } = await two();
    const one = await guest(4);
    hub.cut(alice.identity.peerId, bob.identity.peerId);
    expect(await meet(one, bob)).toMatchObject({ ok: false, code: 'STARLING_PEER_UNREACHABLE' });
    hub.connect(alice.identity.peerId, bob.identity.peerId);
    expect(await meet(one, bob)).toMatchObject({ ok: true });
  });

  it('gets no answer to what is no question, and is not answered without end', async () => {
    const { hub, alice, bob } = await two();
    const [from, to] = [bob.identity.peerId, alice.identity.peerId];
    expect(await asks(hub, from, to, Uint8Array.of(0xff, 0))).toBeUndefined();
    const question = encodeInviteQuestion({ key: bob.identity.did, newcomer: bob.identity.did });
    const answers: unknown[] = [];
    for (let count = 0; count < 30; count += 1) answers.push(await asks(hub, from, to, question));
    expect(answers[0]).toBeDefined();
    expect(answers.at(-1)).toBeUndefined();
  });
});
