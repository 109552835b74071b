/** What a peer has begun to send and not ended: bounded over all its streams. */
import { afterEach, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { HELD_PER_PEER_MAX_BYTES } from '../../../src/network/constants.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import { createHeldBytes } from '../../../src/network/streams/held-bytes.ts';
import { makeMembers, soon, stopAll, until } from '../support.ts';

const [ALICE, BOB] = ['alice', 'bob'] as unknown as [PeerId, PeerId];
const PROTOCOL = '/starling/half/1';
const MIB = 1024 * 1024;

afterEach(stopAll);

it('counts what is held of each peer, and refuses what is too much without counting it', () => {
  const held = createHeldBytes(100);
  held.change(ALICE, 60);
  held.change(ALICE, 40);
  expect(() => held.change(ALICE, 1)).toThrow('more than 100 bytes');
  held.change(BOB, 100);
  held.change(ALICE, -40);
  held.change(ALICE, 40);
  held.change(ALICE, -100);
  held.change(ALICE, 100);
});

it('aborts the streams of a peer that begins many long messages, says so, and serves others', async () => {
  const [alice, bob, mallory] = await makeMembers(['alice', 'bob', 'mallory']);
  if (alice === undefined || bob === undefined || mallory === undefined) throw new Error('three');
  await mallory.network.dial(alice.address(), soon());
  await bob.network.dial(alice.address(), soon());
  const heard: string[] = [];
  alice.network.handle(PROTOCOL, (stream) => {
    const messages = createMessageStream(stream, { maxBytes: 10 * MIB });
    messages.onEnd(() => undefined);
    messages.onMessage((message) => {
      heard.push(Buffer.from(message).toString('utf8'));
      void messages.close();
    });
  });
  // Lengths of 10 MiB, and the first byte of each message.
  const begin = Uint8Array.of(0x80, 0x80, 0x80, 0x05, 1);
  let ended = 0;
  const streams = Math.floor(HELD_PER_PEER_MAX_BYTES / (10 * MIB)) + 5;
  for (let count = 0; count < streams; count += 1) {
    const stream = await mallory.network.open(alice.id, PROTOCOL, soon());
    stream.onEnd(() => (ended += 1));
    stream.onData(() => undefined);
    stream.write(begin);
  }
  await until(() => ended === 5, 'the end of what was too much');
  const polite = createMessageStream(await bob.network.open(alice.id, PROTOCOL, soon()), {
    maxBytes: MIB,
  });
  polite.send(Buffer.from('hello'));
  await until(() => heard.includes('hello'), 'a message of bob');
});
