/** Events, by which a node or an agent tells all. */
import { createMeshEvents } from '../../src/agents/events/events.ts';
import type { MeshEvents } from '../../src/agents/events/events.ts';
import { silentLogger } from '../../src/core/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { fakeNetwork } from './fake-stream.ts';
import type { FakeNetwork } from './fake-stream.ts';
import { NOW_MS, founder, member } from './world.ts';
import type { WireCase } from './world.ts';

/** A node that is called `laptop`, its events, and its network; it calls whoever tells something `box`. */
function teller(): { readonly events: MeshEvents; readonly network: FakeNetwork } {
  const network = fakeNetwork(founder.peerId);
  const events = createMeshEvents({
    topic: network.topic('events'),
    self: { name: 'laptop' },
    aliasOf: () => 'box',
    isElsewhere: () => false,
    log: { keep: async () => undefined, since: async () => [] },
    nameOf: () => undefined,
    clock: createTestClock(NOW_MS),
    random: () => 0.25,
    logger: silentLogger,
  });
  events.start();
  return { events, network };
}

const eventCase = (title: string, from: string | undefined, subject: string): WireCase => ({
  file: 'events',
  title,
  kind: 'text',
  async write() {
    const { events, network } = teller();
    await events.tell(OPERATOR, { subject, message: { done: 1 }, from });
    return network.topics.get('events')?.published[0] ?? new Uint8Array();
  },
  async read(bytes) {
    const { events, network } = teller();
    for (const hears of network.topics.get('events')?.listeners ?? []) hears(bytes, member.peerId);
    const read = await events.read({ limit: 10, waitMs: 0 }, new AbortController().signal);
    return read.events.map((one) => ({
      from: one.from,
      subject: one.subject,
      at: one.at,
      message: one.message,
    }));
  },
  value: [
    {
      from: from === undefined ? 'box' : `${from}@box`,
      subject,
      at: new Date(NOW_MS).toISOString(),
      message: { done: 1 },
    },
  ],
});

/** The cases of events, in their order. */
export const EVENT_CASES: readonly WireCase[] = [
  eventCase('a node tells all', undefined, 'broadcast'),
  eventCase('an agent tells all', 'coder', 'agent.coder.events'),
];
