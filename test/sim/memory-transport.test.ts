/** Networks over a transport of ours: nothing in them may need a socket. */
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/index.ts';
import { askMesh } from '../../src/network/index.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import {
  acquaint,
  connectedTo,
  disconnectedFrom,
  echo,
  makeMember,
  read,
  soon,
  stopAll,
} from '../network/support.ts';
import type { Member } from '../network/support.ts';
import { members } from './memory-members.ts';

afterEach(stopAll);

describe('a network without sockets', () => {
  it('connects two members by the address that one listens on', async () => {
    const memory = new MemoryNetwork();
    const { all, ips } = await members(memory, ['a', 'b']);
    const [a, b] = all as [Member, Member];
    expect(a.network.addresses()).toEqual([`/ip4/${ips[0]}/tcp/4040/p2p/${a.id}`]);
    expect(await b.network.dial(a.address(), soon())).toBe(a.id);
    await connectedTo(a.network, b.id);
    expect(b.network.route(a.id)).toMatchObject({ kind: 'direct' });
    expect(memory.dialled).toEqual([`/ip4/${ips[0]}/tcp/4040`]);
  });

  it('carries a megabyte each way, in order, and pings', async () => {
    const { all } = await members(new MemoryNetwork(), ['a', 'b']);
    const [a, b] = all as [Member, Member];
    a.network.handle('/test/echo/1', echo);
    await b.network.dial(a.address(), soon());
    const stream = await b.network.open(a.id, '/test/echo/1', soon());
    const sent = Buffer.from(Array.from({ length: 1024 * 1024 }, (_, at) => at % 251));
    const received = read(stream, sent.length);
    stream.write(sent);
    expect(sent.equals(await received)).toBe(true);
    expect(await b.network.ping(a.id, soon())).toBeGreaterThanOrEqual(0);
  });

  it('take more than ten handshakes at once without a warning of leaks', async () => {
    const memory = new MemoryNetwork();
    const { all, ips } = await members(memory, ['a']);
    const [a] = all as [Member];
    const warnings: string[] = [];
    const warned = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', warned);
    const stranger = memory.host('10.77.1.1');
    const [address = ''] = memory.listening.filter((one) => one.includes(`/${ips[0]}/`));
    const knocks = await Promise.all(
      Array.from({ length: 15 }, () => stranger.dial(address, soon())),
    );
    for (let turn = 0; turn < 10; turn += 1) await new Promise((done) => setImmediate(done));
    process.off('warning', warned);
    for (const knock of knocks) knock.destroy();
    expect(a.network.connected()).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('redials by itself when a cut has ended and the way is there again', async () => {
    const memory = new MemoryNetwork();
    const { all, ips } = await members(memory, ['a', 'b']);
    const [a, b] = all as [Member, Member];
    b.network.keep(a.id, [a.address()]);
    await connectedTo(b.network, a.id);
    const lost = disconnectedFrom(b.network, a.id);
    memory.cut(ips[1] ?? '');
    await lost;
    memory.mend(ips[1] ?? '');
    await connectedTo(b.network, a.id);
  });

  it('relays between two members that listen nowhere', async () => {
    const memory = new MemoryNetwork();
    const { all: reachable } = await members(memory, ['relay'], { relay: true });
    const { all: hidden } = await members(memory, ['a', 'b'], { listen: [], relay: true });
    const [relay] = reachable as [Member];
    const [a, b] = hidden as [Member, Member];
    acquaint([relay, a, b]);
    await a.network.dial(relay.address(), soon());
    await b.network.dial(relay.address(), soon());
    await expect
      .poll(() => b.network.addresses().some((text) => text.includes('p2p-circuit')))
      .toBe(true);
    expect(await a.network.dial(b.id, soon())).toBe(b.id);
    expect(a.network.route(b.id)).toMatchObject({ kind: 'relayed' });
  });

  it('tells a mesh to who only asks for it', async () => {
    const memory = new MemoryNetwork();
    const { all } = await members(memory, ['a']);
    const [a] = all as [Member];
    const welcome = await askMesh([a.address()], {
      hello: { version: 2, release: '0.2.0', name: 'stranger', time: 1000, membership: [] },
      clock: systemClock,
      transports: [memory.host('10.77.1.1')],
      ...soon(),
    });
    expect(welcome).toMatchObject({ ok: false, reason: 'stranger is not on the list' });
  });

  it('names an address in use, and leaves nothing open when it stops', async () => {
    const memory = new MemoryNetwork();
    const { all, ips } = await members(memory, ['a', 'b']);
    const [a, b] = all as [Member, Member];
    await b.network.dial(a.address(), soon());
    const late = await makeMember(
      'late',
      { listen: [`/ip4/${ips[0]}/tcp/4040`] },
      { transports: [memory.host(ips[0] ?? '')] },
    );
    await expect(late.network.start()).rejects.toMatchObject({
      code: 'STARLING_LISTEN_FAILED',
      message: `can't listen on /ip4/${ips[0]}/tcp/4040: another program uses the port`,
    });
    await Promise.all([a.network.stop(), b.network.stop()]);
    await expect.poll(() => memory.open).toBe(0);
    expect(memory.listening).toEqual([]);
  });

  it('refuses to dial what no transport of it handles', async () => {
    const memory = new MemoryNetwork();
    const { all } = await members(memory, ['a']);
    const [a] = all as [Member];
    await expect(a.network.dial('/ip4/127.0.0.1/tcp/1/ws', soon())).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
    });
    expect(memory.dialled).toEqual([]);
  });
});
