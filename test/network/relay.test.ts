/** Members that can't reach each other meet through a third. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  acquaint,
  connectedTo,
  echo,
  fastClock,
  makeMember,
  read,
  soon,
  stopAll,
  until,
} from './support.ts';
import type { Member } from './support.ts';

afterEach(stopAll);

const ECHO = '/starling/echo/1';

/** `a` listens; `b` and `c` listen nowhere and know only `a`. */
async function behindNat(): Promise<[Member, Member, Member]> {
  const a = await makeMember('a');
  const b = await makeMember('b', { listen: [] });
  const c = await makeMember('c', { listen: [] });
  acquaint([a, b, c]);
  for (const { network } of [a, b, c]) network.handle(ECHO, echo);
  await Promise.all([a, b, c].map(({ network }) => network.start()));
  await b.network.dial(a.address(), soon());
  await c.network.dial(a.address(), soon());
  await until(() => b.network.addresses().length > 0, 'a reservation of b');
  return [a, b, c];
}

describe('a relay', () => {
  it('connects two members that listen nowhere, and carries more than a few bytes', async () => {
    const [a, b, c] = await behindNat();
    expect(b.network.addresses()[0]).toContain(`/p2p/${a.id}/p2p-circuit/p2p/${b.id}`);
    await c.network.dial(b.id, soon());
    expect(c.network.route(b.id)?.kind).toBe('relayed');
    await connectedTo(b.network, c.id);
    expect(b.network.route(c.id)).toMatchObject({
      kind: 'relayed',
      why: 'it tells no address but those of relays',
    });
    const stream = await c.network.open(b.id, ECHO, soon());
    const back = read(stream, 1_000_000);
    stream.write(new Uint8Array(1_000_000));
    expect((await back).length).toBe(1_000_000);
  });

  it('serves no reservation and no way to a peer that is no member any more', async () => {
    const [a, b, c] = await behindNat();
    a.guests.list.delete(c.id);
    await expect(c.network.dial(b.id, soon())).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
    });
  });

  it('gives way to a direct connection once there is one', async () => {
    const a = await makeMember('a');
    const b = await makeMember('b');
    const c = await makeMember('c', { listen: [] });
    acquaint([a, b, c]);
    await Promise.all([a, b, c].map(({ network }) => network.start()));
    const direct = b.address();
    await b.network.dial(a.address(), soon());
    await c.network.dial(a.address(), soon());
    await until(
      () => b.network.addresses().some((address) => address.includes('p2p-circuit')),
      'a reservation of b',
    );
    const relayed = b.network.addresses().find((address) => address.includes('p2p-circuit')) ?? '';
    await c.network.dial(relayed, soon());
    expect(c.network.route(b.id)?.kind).toBe('relayed');
    c.network.keep(b.id, [direct]);
    await until(() => c.network.route(b.id)?.kind === 'direct', 'the direct way');
  });

  it('gives way to a direct connection to one whom nobody keeps connected, by the end that gets through', async () => {
    const [a, b] = [await makeMember('a'), await makeMember('b')];
    // Behind a NAT: it dials others, and nobody dials it.
    const c = await makeMember('c', { listen: [] }, { clock: fastClock() });
    acquaint([a, b, c]);
    await Promise.all([a, b, c].map(({ network }) => network.start()));
    await b.network.dial(a.address(), soon());
    await c.network.dial(a.address(), soon());
    await until(() => c.network.addresses().length > 0, 'a reservation of c');
    c.network.know(b.id, []);
    await b.network.dial(c.id, soon());
    await until(() => c.network.route(b.id)?.kind === 'relayed', 'the relayed way');
    expect(b.network.route(c.id)?.kind).toBe('relayed');
    c.network.know(b.id, [b.address()]);
    await until(() => c.network.route(b.id)?.kind === 'direct', 'the direct way');
    expect(c.network.route(b.id)).not.toHaveProperty('why');
  });
});
