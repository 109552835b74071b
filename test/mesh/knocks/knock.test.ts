/** A node knocks at a member over a network in memory: admitted, refused, fooled, flooded. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StarlingError, createHealth, silentLogger, systemClock } from '../../../src/core/index.ts';
import type { Clock, PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createKnocks, serveKnocks } from '../../../src/mesh/index.ts';
import type { Knock, Knocks, Mesh } from '../../../src/mesh/index.ts';
import { askKnock } from '../../../src/mesh/knocks/ask-knock.ts';
import { knockAt } from '../../../src/mesh/knocks/knock.ts';
import { encodeTicket } from '../../../src/mesh/tickets/ticket-short.ts';
import { fingerprintOf } from '../../../src/mesh/fingerprint.ts';
import { createBareHost } from '../../../src/network/index.ts';
import type { Network, StrangerStream } from '../../../src/network/index.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { fakeStream } from '../../wire/fake-stream.ts';
import { makeMember, stopAll, until } from '../../network/support.ts';

const LAB = createIdentity(new Uint8Array(32).fill(41)).did;
const OTHER = createIdentity(new Uint8Array(32).fill(42)).did;
const LAPTOP = createIdentity(new Uint8Array(32).fill(43));
const MESH: Mesh = { id: LAB, name: 'lab', open: false, fingerprint: fingerprintOf(LAB) };

interface Lab {
  readonly memory: MemoryNetwork;
  readonly knocks: Knocks;
  readonly address: string;
  readonly member: PeerId;
  readonly network: Network;
  /** Answers the first who knocks. */
  readonly onKnock: (answer: (knock: Knock) => unknown) => void;
}

/** A clock on which only the pause between two knocks is short. */
const clock: Clock = {
  now: () => systemClock.now(),
  schedule: (ms, task) => systemClock.schedule(ms === 5000 ? 50 : ms, task),
};
afterEach(stopAll);

async function lab(ip = '10.9.0.1', mesh: () => Mesh | undefined = () => MESH): Promise<Lab> {
  const memory = new MemoryNetwork();
  const { network, id } = await makeMember(
    'workstation',
    { listen: [`/ip4/${ip}/tcp/4040`] },
    { transports: [memory.host(ip)], clock },
  );
  const knocks = createKnocks({ clock, health: createHealth() });
  serveKnocks({ network, knocks, mesh, clock, logger: silentLogger }, { name: 'workstation' });
  await network.start();
  return {
    memory,
    knocks,
    address: `/ip4/${ip}/tcp/4040/p2p/${id}`,
    member: id,
    network,
    onKnock: (answer) => void knocks.events.once('knock', answer),
  };
}

const ticketFor = (mesh: typeof LAB, inviter: PeerId): string =>
  encodeTicket({
    mesh,
    name: 'lab',
    addresses: [`/ip4/10.9.0.1/tcp/4040/p2p/${inviter}`],
    secret: new Uint8Array(16).fill(7),
    expiresAt: 2_000_000_000,
    inviter,
  }).reveal();

interface Knocked {
  readonly result: Promise<string>;
  readonly told: readonly string[];
}

function laptopAt({ memory, address }: Lab, from = '10.9.0.2'): Knocked {
  const told: string[] = [];
  const result = knockAt(
    {
      identity: LAPTOP,
      clock,
      progress: (line) => told.push(line),
      mayEnter: async () => undefined,
      transports: [memory.host(from)],
    },
    { mesh: address, name: 'laptop', mdns: false },
  ).then((ticket) => ticket.reveal());
  return { result, told };
}

describe('a node that knocks', () => {
  it('gets the ticket once it is let in, with the words that both sides show', async () => {
    const one = await lab();
    const { knocks, member, onKnock } = one;
    const heard: Knock[] = [];
    onKnock((knock) => {
      heard.push(knock);
    });
    const { result, told } = laptopAt(one);
    // It asks again and again, which is not held against its address.
    await until(() => one.memory.dialled.length > 8, 'it asks eight times');
    expect(one.network.strangers()).toEqual([]);
    await knocks.answer('laptop', async () => ticketFor(LAB, member));
    expect(await result).toBe(ticketFor(LAB, member));
    expect(heard).toMatchObject([{ name: 'laptop', peerId: LAPTOP.peerId, address: '10.9.0.2' }]);
    const words = heard[0]?.fingerprint ?? '';
    expect(told.join('\n')).toContain(`at workstation (10.9.0.1) it is laptop, ${words}`);
    expect(told.join('\n')).toContain(
      `${words}, words to compare; waits for the operator of workstation: starling members admit laptop`,
    );
  });

  it.each(['10.9.0.1', '10.9.0.1:4040'])(
    'finds a member at a place as people write it: %s',
    async (place) => {
      const one = await lab();
      one.onKnock(() => void one.knocks.answer('laptop', undefined));
      await expect(laptopAt({ ...one, address: place }).result).rejects.toThrow(
        'the operator said no',
      );
    },
  );

  it('is told when the operator says no', async () => {
    const one = await lab();
    one.onKnock(() => void one.knocks.answer('laptop', undefined));
    await expect(laptopAt(one).result).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
      message: "workstation does not let this node into 'lab': the operator said no",
    });
  });

  it('takes no ticket of another mesh than the one that it asked', async () => {
    const one = await lab();
    one.onKnock(() => void one.knocks.answer('laptop', async () => ticketFor(OTHER, one.member)));
    await expect(laptopAt(one).result).rejects.toMatchObject({ code: 'STARLING_MESH_MISMATCH' });
  });

  it('asks nobody when it could not go in', async () => {
    const one = await lab();
    const error = new StarlingError('STARLING_MESH_MISMATCH', 'this node is of another mesh');
    await expect(
      knockAt(
        {
          identity: LAPTOP,
          clock,
          progress: () => undefined,
          mayEnter: () => Promise.reject(error),
          transports: [one.memory.host('10.9.0.2')],
        },
        { mesh: one.address, name: 'laptop', mdns: false },
      ),
    ).rejects.toBe(error);
    expect(one.knocks.waiting()).toEqual([]);
  });

  it('of an open mesh is told how to join that', async () => {
    const one = await lab('10.9.0.1', () => ({ ...MESH, open: true }));
    await expect(laptopAt(one).result).rejects.toMatchObject({
      hint: 'join it with: starling up --open lab',
    });
  });

  it('with a name and without multicast DNS is told to give an address', async () => {
    await expect(
      knockAt(
        { identity: LAPTOP, clock, progress: () => undefined, mayEnter: async () => undefined },
        { mesh: 'lab', name: 'laptop', mdns: false },
      ),
    ).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      hint: expect.stringContaining('starling up --knock /ip4/') as string,
    });
  });
});

describe('the door', () => {
  let hosts: { stop(): Promise<void> }[];
  beforeEach(() => {
    hosts = [];
  });
  afterEach(async () => {
    await Promise.all(hosts.map((host) => host.stop()));
  });

  /** Asks so often with one key; gives how each ended. */
  async function asks(one: Lab, from: string, times: number): Promise<readonly string[]> {
    const host = await createBareHost({
      clock: systemClock,
      transports: [one.memory.host(from)],
    });
    hosts.push(host);
    const ends: string[] = [];
    for (let count = 0; count < times; count += 1) {
      ends.push(
        await askKnock({ host, clock: systemClock }, one.address, { t: 'who' }).then(
          ({ answer }) => answer.t,
          () => 'nothing',
        ),
      );
    }
    return ends;
  }

  it('says nothing to who comes from outside of private networks', async () => {
    const one = await lab();
    expect(await asks(one, '8.8.8.8', 1)).toEqual(['nothing']);
    expect(await asks(one, '10.9.0.2', 1)).toEqual(['here']);
  });

  it('is shut to an address that asks too often, and to all when all together do', () => {
    const still = createTestClock();
    let knockFrom: (visit: StrangerStream) => void = () => undefined;
    serveKnocks(
      {
        network: {
          handleStrangers(_, handler) {
            knockFrom = handler;
            return () => undefined;
          },
        },
        knocks: createKnocks({ clock: still }),
        mesh: () => MESH,
        clock: still,
        logger: silentLogger,
      },
      { name: 'workstation' },
    );
    const refused = (address: string): string | undefined => {
      let code: string | undefined;
      const stream = fakeStream(LAPTOP.peerId);
      const abort = (error: Error): void => {
        code = error instanceof StarlingError ? error.code : 'none';
      };
      knockFrom({ stream: { ...stream, abort }, address, isLocal: true, excuse: () => undefined });
      return code;
    };
    const codes = Array.from({ length: 15 }, () => refused('10.9.0.2'));
    expect(codes.filter((code) => code === undefined)).toHaveLength(12);
    expect(codes.at(-1)).toBe('STARLING_RATE_LIMITED');
    for (let host = 3; host < 60; host += 1) refused(`10.9.0.${host}`);
    expect(refused('10.9.0.99')).toBe('STARLING_RATE_LIMITED');
    still.advance(60_000);
    expect([refused('10.9.0.2'), refused('10.9.0.99')]).toEqual([undefined, undefined]);
  });

  it('is shut where nobody serves knocks', async () => {
    const memory = new MemoryNetwork();
    const { network, id } = await makeMember(
      'quiet',
      { listen: ['/ip4/10.9.0.1/tcp/4040'] },
      { transports: [memory.host('10.9.0.1')], clock },
    );
    await network.start();
    const shut = {
      ...(await lab('10.9.0.9')),
      memory,
      address: `/ip4/10.9.0.1/tcp/4040/p2p/${id}`,
    };
    expect(await asks(shut, '10.9.0.2', 1)).toEqual(['nothing']);
  });
});
