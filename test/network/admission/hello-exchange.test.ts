/** Who gets in, who does not, and what each side learns of it. Real hosts on loopback. */
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/core/index.ts';
import { askMesh } from '../../../src/network/index.ts';
import type { Hello } from '../../../src/network/index.ts';
import {
  acquaint,
  connectedTo,
  disconnectedFrom,
  makeMember,
  makeMembers,
  soon,
  stopAll,
  until,
} from '../support.ts';

afterEach(stopAll);

describe('joining', () => {
  it('connects two members when one dials the other', async () => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    const connected = connectedTo(a.network, b.id);
    expect(await b.network.dial(a.address(), soon())).toBe(a.id);
    await connected;
    expect(a.network.connected()).toEqual([b.id]);
    expect(b.network.connected()).toEqual([a.id]);
    expect(b.network.route(a.id)?.kind).toBe('direct');
    expect(a.guests.heard[0]).toMatchObject({ version: 2, release: '0.2.0', name: 'b' });
    expect(await b.network.ping(a.id, soon())).toBeGreaterThan(0);
  });

  it('works over WebSocket too', async () => {
    const [a, b] = await makeMembers(['a', 'b'], { listen: ['/ip4/127.0.0.1/tcp/0/ws'] });
    if (a === undefined || b === undefined) throw new Error('two members');
    expect(a.address()).toContain('/ws/');
    expect(await b.network.dial(a.address(), soon())).toBe(a.id);
  });

  it('refuses a stranger and tells it the reason', async () => {
    const a = await makeMember('a');
    const b = await makeMember('b');
    b.guests.list.add(a.id);
    await Promise.all([a.network.start(), b.network.start()]);
    const told = once(b.network.events, 'dial:failed', soon());
    await expect(b.network.dial(a.address(), soon())).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
      message: expect.stringContaining('b is not on the list'),
      hint: expect.stringContaining('ticket'),
    });
    expect((await told)[0]).toBe(a.address());
    expect(a.network.connected()).toEqual([]);
    expect(b.network.connected()).toEqual([]);
  });

  it('passes on the code of a refusal', async () => {
    const a = await makeMember('a');
    const b = await makeMember('b');
    await Promise.all([a.network.start(), b.network.start()]);
    a.guests.code = 'STARLING_TICKET_EXPIRED';
    await expect(b.network.dial(a.address(), soon())).rejects.toMatchObject({
      code: 'STARLING_TICKET_EXPIRED',
    });
    a.guests.code = 'NO_SUCH_CODE';
    await expect(b.network.dial(a.address(), soon())).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
    });
  });

  it('closes the connection when the dialler finds the other one wrong', async () => {
    const a = await makeMember('a');
    const b = await makeMember('b');
    a.guests.list.add(b.id);
    await Promise.all([a.network.start(), b.network.start()]);
    await expect(b.network.dial(a.address(), soon())).rejects.toMatchObject({
      code: 'STARLING_MESH_MISMATCH',
    });
    await disconnectedFrom(a.network, b.id);
    expect(b.network.connected()).toEqual([]);
  });

  it('lets two members dial each other at the same time', async () => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    const changes: string[] = [];
    a.network.events.on('peer:connect', () => changes.push('a+'));
    b.network.events.on('peer:connect', () => changes.push('b+'));
    a.network.events.on('peer:disconnect', () => changes.push('a-'));
    b.network.events.on('peer:disconnect', () => changes.push('b-'));
    await Promise.all([a.network.dial(b.address(), soon()), b.network.dial(a.address(), soon())]);
    await Promise.all([connectedTo(a.network, b.id), connectedTo(b.network, a.id)]);
    expect(changes.toSorted()).toEqual(['a+', 'b+']);
  });

  it('admits nine newcomers within a second, all from one address', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `node-${index}`);
    const [first, ...others] = await makeMembers(names);
    if (first === undefined) throw new Error('ten members');
    await Promise.all(others.map(({ network }) => network.dial(first.address(), soon())));
    await until(() => first.network.connected().length === 9, 'nine members');
    expect(new Set(first.network.connected())).toEqual(new Set(others.map(({ id }) => id)));
  });
});

describe('the limit of connections', () => {
  it('holds: whoever comes after is turned away, and members inside stay', async () => {
    const first = await makeMember('first', { connections: 3 });
    const others = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => makeMember(name)));
    acquaint([first, ...others]);
    await Promise.all([first, ...others].map(({ network }) => network.start()));
    const results = await Promise.allSettled(
      others.map(({ network }) => network.dial(first.address(), soon())),
    );
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBe(3);
    expect(first.network.connected().length).toBe(3);
    const outside = others.find(({ id }) => !first.network.connected().includes(id));
    await expect(first.network.dial(outside?.address() ?? '', soon())).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
    });
  });
});

describe('a node of another version', () => {
  const ofFirstVersion = (hello: Hello): Hello => {
    const { release: _release, ...bare } = hello;
    return { ...bare, version: 1 } as unknown as Hello;
  };

  it('is refused by whom it calls, is told both versions, and is let in once it is updated', async () => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    const versions: unknown[] = [];
    a.network.events.on('peer:version', (...told) => versions.push(told));
    const hello = b.guests.hello.bind(b.guests);
    b.guests.hello = (peer) => ofFirstVersion(hello(peer));
    await expect(b.network.dial(a.address(), soon())).rejects.toMatchObject({
      code: 'STARLING_VERSION_UNSUPPORTED',
    });
    expect(a.network.otherVersion(b.id)).toEqual({ version: 1 });
    expect(a.guests.heard).toEqual([]);
    b.guests.hello = hello;
    await b.network.dial(a.address(), soon());
    await until(() => a.network.otherVersion(b.id) === undefined, 'that b is let in');
    expect(versions).toEqual([
      [b.id, { version: 1 }],
      [b.id, undefined],
    ]);
  });

  it('is not remembered when it is no member: anybody can say so', async () => {
    const a = await makeMember('a');
    await a.network.start();
    const hello = ofFirstVersion({
      version: 2,
      release: '0.2.0',
      name: 'new',
      time: 1,
      membership: [],
    });
    const asked = askMesh([a.address()], { hello, clock: systemClock, ...soon() });
    await expect(asked).rejects.toMatchObject({ code: 'STARLING_VERSION_UNSUPPORTED' });
    expect(a.guests.heard).toEqual([]);
  });
});

describe('probing', () => {
  it('tells whose mesh answers, without joining it', async () => {
    const a = await makeMember('a');
    await a.network.start();
    const hello = { version: 2 as const, release: '0.2.0', name: 'new', time: 1, membership: [] };
    const welcome = await askMesh(['/ip4/127.0.0.1/tcp/1', a.address()], {
      hello,
      clock: systemClock,
      ...soon(),
    });
    expect(welcome).toEqual({
      ok: false,
      code: 'STARLING_JOIN_REFUSED',
      reason: 'new is not on the list',
    });
    expect(a.guests.heard[0]).toEqual(hello);
  });

  it('says which addresses did not answer', async () => {
    const hello = { version: 2 as const, release: '0.2.0', name: 'new', time: 1, membership: [] };
    await expect(
      askMesh(['/ip4/127.0.0.1/tcp/1'], { hello, clock: systemClock, ...soon() }),
    ).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
      message: expect.stringContaining('no node answers at 127.0.0.1:1: nothing listens there'),
    });
  });
});

describe('leaving', () => {
  it('closes the connections of a peer that was put out, and refuses it from then on', async () => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    await b.network.dial(a.address(), soon());
    a.guests.list.delete(b.id);
    const gone = disconnectedFrom(b.network, a.id);
    await a.network.disconnect(b.id, 'its membership was revoked');
    await gone;
    expect(a.network.connected()).toEqual([]);
    await expect(b.network.dial(a.address(), soon())).rejects.toMatchObject({
      code: 'STARLING_JOIN_REFUSED',
    });
    await expect(a.network.dial(b.address(), soon())).rejects.toThrow(/no member/);
    acquaint([a, b]);
    await b.network.dial(a.address(), soon());
  });
});
