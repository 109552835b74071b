/** Pinned definitions: trusted at first sight, and never again without the operator. */
import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError, createHealth, silentLogger } from '../../../src/core/index.ts';
import type { Did, Health, PeerId } from '../../../src/core/index.ts';
import type { NamedItem } from '../../../src/gateway/pins/definition.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { PinGrants } from '../../../src/gateway/pins/granted-names.ts';
import type { Grant, GrantBookEvents, SuccessionView } from '../../../src/grants/index.ts';
import { createPins } from '../../../src/gateway/pins/pins.ts';
import type { Pins, PinsInit, Reviewable } from '../../../src/gateway/pins/pins.ts';
import type { Quarantined } from '../../../src/gateway/pins/quarantine.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { upTo } from '../../long/extent.ts';

const PEER = '12D3KooWpeer' as PeerId;
const OTHER = '12D3KooWother' as PeerId;

const tool = (name: string, description = `does ${name}`): NamedItem => ({
  name,
  description,
  inputSchema: { type: 'object', properties: { path: { type: 'string' } } },
});
const lists = (...tools: NamedItem[]): Reviewable => ({ tools, prompts: [] });

interface Bench {
  readonly pins: Pins;
  readonly table: ReturnType<typeof memoryTable>;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly health: Health;
  /** Another life over the same table. */
  readonly restart: () => Promise<Pins>;
}

async function bench(init: Partial<PinsInit> = {}, grants?: PinGrants): Promise<Bench> {
  const table = memoryTable();
  const clock = createTestClock();
  const health = createHealth();
  const start = async (): Promise<Pins> => {
    const pins = createPins(
      { table, clock, logger: silentLogger, health, ...(grants === undefined ? {} : { grants }) },
      { mode: 'strict', perServerMax: 100, ...init },
    );
    await pins.start();
    return pins;
  };
  const pins = await start();
  let last = pins;
  return {
    pins,
    table,
    clock,
    health,
    async restart() {
      await last.stop();
      last = await start();
      return last;
    },
  };
}

const namesOf = (catalog: Reviewable): string[] => catalog.tools.map(({ name }) => name);
const reasonsOf = (quarantined: readonly Quarantined[]): Record<string, string> =>
  Object.fromEntries(quarantined.map(({ name, reason }) => [name, reason]));

describe('own servers', () => {
  it('are pinned with all that they list at first sight', async () => {
    const { pins } = await bench();
    const catalog = { ...lists(tool('read'), tool('write')), instructions: 'be kind', other: 1 };
    const { allowed, quarantined } = pins.review('', 'files', catalog);
    expect(allowed).toBe(catalog);
    expect(quarantined).toEqual([]);
    expect(pins.count()).toBe(3);
  });

  it('lose a tool that changes, until it changes back', async () => {
    const { pins } = await bench();
    pins.review('', 'files', lists(tool('read'), tool('write')));
    const changed = lists(tool('read', 'sends it to us first'), tool('write'));
    const { allowed, quarantined } = pins.review('', 'files', changed);
    expect(namesOf(allowed)).toEqual(['write']);
    expect(reasonsOf(quarantined)).toEqual({ read: 'changed' });
    const back = pins.review('', 'files', lists(tool('read'), tool('write')));
    expect(namesOf(back.allowed)).toEqual(['read', 'write']);
    expect(pins.list()).toEqual([]);
  });

  it('may hand in the same list again: it is judged anew after another one, or an approval', async () => {
    const { pins } = await bench();
    const [good, bad] = [lists(tool('read')), lists(tool('read', 'mails'))];
    pins.review('', 'files', good);
    expect(pins.review('', 'files', bad)).toBe(pins.review('', 'files', bad));
    expect(pins.review('', 'files', good).quarantined).toEqual([]);
    expect(pins.list()).toEqual([]);
    expect(reasonsOf(pins.review('', 'files', bad).quarantined)).toEqual({ read: 'changed' });
    await pins.approve('', 'files');
    expect(pins.review('', 'files', bad).allowed).toBe(bad);
  });

  it('do not get a new name in without approval, and say so in the health of the node', async () => {
    const { pins, health } = await bench();
    pins.review('', 'files', lists(tool('read')));
    const { allowed, quarantined } = pins.review('', 'files', lists(tool('read'), tool('send')));
    expect(namesOf(allowed)).toEqual(['read']);
    expect(reasonsOf(quarantined)).toEqual({ send: 'new' });
    expect(health.warnings()).toMatchObject([
      { hint: 'look, and how to allow: starling pin list' },
    ]);
    await pins.keeping();
    const heard: unknown[] = [];
    pins.events.on('change', (...place) => heard.push(place));
    expect(reasonsOf(await pins.approve('', 'files', 'send'))).toEqual({ send: 'new' });
    expect(heard).toEqual([['', 'files']]);
    expect(health.warnings()).toEqual([]);
    const after = pins.review('', 'files', lists(tool('read'), tool('send')));
    expect(namesOf(after.allowed)).toEqual(['read', 'send']);
  });

  it('have a renamed tool told as such', async () => {
    const { pins } = await bench();
    pins.review('', 'files', lists(tool('read', 'reads'), tool('write')));
    const { quarantined } = pins.review('', 'files', lists(tool('fetch', 'reads'), tool('write')));
    expect(quarantined).toMatchObject([{ name: 'fetch', reason: 'renamed', was: 'read' }]);
  });

  it('have prompts and instructions pinned likewise', async () => {
    const { pins } = await bench();
    const prompt = { name: 'sum', arguments: [{ name: 'text' }] };
    pins.review('', 'files', { tools: [], prompts: [prompt], instructions: 'be kind' });
    const { allowed, quarantined } = pins.review('', 'files', {
      tools: [],
      prompts: [{ name: 'sum', arguments: [{ name: 'text', required: true }] }],
      instructions: 'be unkind',
    });
    expect(allowed).toEqual({ tools: [], prompts: [] });
    expect(reasonsOf(quarantined)).toEqual({ sum: 'changed', instructions: 'changed' });
  });

  it('that say nothing yet are not judged by it', async () => {
    const { pins } = await bench();
    pins.review('', 'files', lists());
    pins.review('', 'files', lists(tool('read')));
    pins.review('', 'files', lists());
    const { quarantined } = pins.review('', 'files', lists(tool('read'), tool('send')));
    expect(reasonsOf(quarantined)).toEqual({ send: 'new' });
  });

  it('called starling is this program, and is let through', async () => {
    const { pins } = await bench();
    pins.review('', 'starling', lists(tool('status')));
    expect(pins.review('', 'starling', lists(tool('status', 'new'))).quarantined).toEqual([]);
    expect(pins.count()).toBe(0);
  });
});

describe("peers' servers", () => {
  it('may get a new name, because a new grant shows more of them', async () => {
    const { pins } = await bench();
    pins.review(PEER, 'files', lists(tool('read')));
    const { quarantined } = pins.review(PEER, 'files', lists(tool('read'), tool('write')));
    expect(quarantined).toEqual([]);
    const changed = pins.review(PEER, 'files', lists(tool('read'), tool('write', 'other')));
    expect(reasonsOf(changed.quarantined)).toEqual({ write: 'changed' });
  });

  it('may not swap one name for another, and restarting us does not help them', async () => {
    const { pins, restart } = await bench();
    pins.review(PEER, 'files', lists(tool('read'), tool('write')));
    const swapped = lists(tool('read'), tool('write2', 'writes, and mails it'));
    expect(reasonsOf(pins.review(PEER, 'files', swapped).quarantined)).toEqual({ write2: 'new' });
    expect(reasonsOf(pins.review(PEER, 'files', swapped).quarantined)).toEqual({ write2: 'new' });
    const again = await restart();
    expect(reasonsOf(again.review(PEER, 'files', swapped).quarantined)).toEqual({ write2: 'new' });
  });

  it('may not bring back a pinned tool under a new name, even much later', async () => {
    const { pins, restart } = await bench();
    pins.review(PEER, 'files', lists(tool('read', 'reads'), tool('write')));
    pins.review(PEER, 'files', lists(tool('write')));
    const renamed = lists(tool('write'), tool('fetch', 'reads'));
    expect(pins.review(PEER, 'files', renamed).quarantined).toMatchObject([
      { name: 'fetch', reason: 'renamed', was: 'read' },
    ]);
    const again = await restart();
    expect(again.review(PEER, 'files', renamed).quarantined).toMatchObject([
      { name: 'fetch', reason: 'renamed', was: 'read' },
    ]);
  });

  it('are not trusted anew when they vanish and come back changed', async () => {
    const { pins, restart } = await bench();
    pins.review(PEER, 'files', lists(tool('read')));
    const again = await restart();
    const { quarantined } = again.review(PEER, 'files', lists(tool('read', 'other')));
    expect(reasonsOf(quarantined)).toEqual({ read: 'changed' });
  });

  it('are apart from those of others, and from our own of the same name', async () => {
    const { pins } = await bench();
    pins.review('', 'files', lists(tool('read')));
    pins.review(PEER, 'files', lists(tool('read', 'a')));
    const { quarantined } = pins.review(OTHER, 'files', lists(tool('read', 'b'), tool('send')));
    expect(quarantined).toEqual([]);
  });
});

describe('a tool of a peer that was granted to us', () => {
  const { peerId: OWNER, did } = createIdentity(Buffer.alloc(32, 7));

  /** What we hold of the owner: grants come and are taken away. */
  function holding(): {
    readonly grants: PinGrants;
    readonly receive: (resource: string, atMs: number) => Grant;
    readonly revoke: (grant: Grant) => void;
  } {
    const held: Grant[] = [];
    const revoked = new Set<Grant>();
    const events = new EventEmitter<GrantBookEvents>();
    return {
      grants: {
        received: () => held,
        state: (grant) => (revoked.has(grant) ? 'revoked' : 'valid'),
        successions: { follows: (one: Did, other: Did) => one === other } as SuccessionView,
        events,
      },
      receive(resource, atMs) {
        const claims = { sub: did, iat: Math.floor(atMs / 1000), cap: [{ resource }] };
        const grant = { claims } as unknown as Grant;
        held.push(grant);
        events.emit('kept', grant, 'received');
        return grant;
      },
      revoke: (grant) => void revoked.add(grant),
    };
  }

  it.each(['tool:files/tree', 'tool:files/t*'])(
    'is pinned at first sight, though what was granted before is gone: %s',
    async (resource) => {
      const { grants, receive, revoke } = holding();
      const { pins, clock, restart } = await bench({}, grants);
      const first = receive('tool:files/read', clock.now());
      pins.review(OWNER, 'files', lists(tool('read')));
      revoke(first);
      const again = await restart();
      clock.advance(3_600_000);
      receive(resource, clock.now());
      const grown = again.review(OWNER, 'files', lists(tool('tree')));
      expect(grown.quarantined).toEqual([]);
      expect(again.count()).toBe(2);
    },
  );

  it('is let in when its grant comes after the list that shows it', async () => {
    const { grants, receive, revoke } = holding();
    const { pins, clock, health } = await bench({}, grants);
    revoke(receive('tool:files/read', clock.now()));
    pins.review(OWNER, 'files', lists(tool('read')));
    clock.advance(3_600_000);
    const grown = lists(tool('tree'));
    expect(reasonsOf(pins.review(OWNER, 'files', grown).quarantined)).toEqual({ tree: 'new' });
    expect(health.warnings().map(({ text }) => text)).toContain(
      '1 definition is held back: it came or changed after its server was pinned',
    );
    let changes = 0;
    pins.events.on('change', () => (changes += 1));
    receive('tool:files/tree', clock.now());
    expect(changes).toBe(1);
    expect(pins.review(OWNER, 'files', grown).quarantined).toEqual([]);
  });

  it('may not take the place of another by a grant that was there before, nor by one renewed', async () => {
    const { grants, receive } = holding();
    const { pins, clock } = await bench({}, grants);
    receive('tool:files/*', clock.now());
    pins.review(OWNER, 'files', lists(tool('read'), tool('write')));
    clock.advance(3_600_000);
    receive('tool:files/*', clock.now());
    const swapped = lists(tool('read'), tool('write2'));
    const { quarantined } = pins.review(OWNER, 'files', swapped);
    expect(reasonsOf(quarantined)).toEqual({ write2: 'new' });
  });
});

describe('invisible text', () => {
  it('keeps a tool out even at first sight, until it is approved as it is', async () => {
    const { pins, restart } = await bench();
    const odd = tool('read', 'reads\u200B');
    const first = pins.review('', 'files', lists(odd, tool('write')));
    expect(namesOf(first.allowed)).toEqual(['write']);
    expect(first.quarantined).toMatchObject([
      { name: 'read', reason: 'invisible', flags: [{ where: 'description', character: 'U+200B' }] },
    ]);
    expect(await pins.list()[0]?.difference()).toContain('+   "description": "reads\\u{200B}",');
    await pins.approve('', 'files', 'read');
    const again = await restart();
    expect(again.review('', 'files', lists({ ...odd }, tool('write'))).quarantined).toEqual([]);
  });

  it('is not trusted when it disappears: the tool stays out as a new one', async () => {
    const { pins } = await bench();
    pins.review(PEER, 'files', lists(tool('read', 'reads\u200B')));
    const { quarantined } = pins.review(PEER, 'files', lists(tool('read', 'reads')));
    expect(reasonsOf(quarantined)).toEqual({ read: 'new' });
  });
});

describe('the list of what is quarantined', () => {
  it('shows what changed, line by line, oldest first', async () => {
    const { pins, clock } = await bench();
    pins.review('', 'files', lists(tool('read'), tool('write')));
    pins.review('', 'files', lists(tool('read', 'Reads. And mails it.'), tool('write')));
    clock.advance(1000);
    pins.review('', 'git', lists(tool('log')));
    pins.review('', 'git', lists(tool('log', 'other')));
    const [first, second] = pins.list();
    expect(first).toMatchObject({ owner: '', server: 'files', name: 'read', reason: 'changed' });
    expect(second).toMatchObject({ server: 'git', name: 'log' });
    expect(await first?.difference()).toEqual([
      '  {',
      '-   "description": "does read",',
      '+   "description": "Reads. ',
      '+     And mails it.",',
      '    "inputSchema": {',
      '      "properties": {',
      expect.stringMatching(/^@@ \d+ unchanged @@$/),
    ]);
  });

  it('is what an approval holds good for: a definition that changed since is refused', async () => {
    const { pins } = await bench();
    pins.review('', 'files', lists(tool('read')));
    pins.review('', 'files', lists(tool('read', 'a bit other')));
    await pins.list()[0]?.difference();
    pins.review('', 'files', lists(tool('read', 'evil')));
    await expect(pins.approve('', 'files', 'read')).rejects.toMatchObject({
      code: 'STARLING_TOOL_QUARANTINED',
      message: expect.stringContaining('changed again') as string,
    });
    await pins.list()[0]?.difference();
    await pins.approve('', 'files');
    expect(pins.review('', 'files', lists(tool('read', 'evil'))).quarantined).toEqual([]);
    const old = pins.review('', 'files', lists(tool('read')));
    expect(reasonsOf(old.quarantined)).toEqual({ read: 'changed' });
  });

  it('does not know what is not quarantined', async () => {
    const { pins } = await bench();
    pins.review('', 'files', lists(tool('read')));
    for (const name of ['read', 'nothing', undefined]) {
      await expect(pins.approve('', 'files', name)).rejects.toMatchObject({
        code: 'STARLING_TOOL_UNKNOWN',
      });
    }
  });

  it('survives huge and hostile definitions', async () => {
    const { pins } = await bench();
    pins.review('', 'files', lists(tool('read', 'a. '.repeat(60_000))));
    pins.review('', 'files', lists(tool('read', 'b\n'.repeat(60_000))));
    const lines = (await pins.list()[0]?.difference()) ?? [];
    expect(lines.length).toBeLessThanOrEqual(201);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(400);
  });
});

describe('pins', () => {
  it('that are off allow everything and keep nothing', async () => {
    const { pins, table } = await bench({ mode: 'off' });
    pins.review('', 'files', lists(tool('read')));
    expect(pins.review('', 'files', lists(tool('read', 'x\u200B'))).quarantined).toEqual([]);
    await pins.stop();
    expect(table.rows.size).toBe(0);
  });

  it('are no more per server than the limit: further names stay out', async () => {
    const { pins, table } = await bench({ perServerMax: 2 });
    pins.review(PEER, 'files', lists(tool('a'), tool('b')));
    const { quarantined } = pins.review(PEER, 'files', lists(tool('a'), tool('b'), tool('c')));
    expect(reasonsOf(quarantined)).toEqual({ c: 'new' });
    pins.review(PEER, 'files', lists(tool('a'), tool('c')));
    await pins.approve(PEER, 'files', 'c');
    expect(pins.review(PEER, 'files', lists(tool('a'), tool('c'))).quarantined).toEqual([]);
    await pins.stop();
    expect(table.rows.size).toBe(4);
  });

  it('of a peer that floods us make room for themselves, never for others', async () => {
    const { pins, clock } = await bench({ totalMax: 64 });
    pins.review('', 'files', lists(tool('read')));
    pins.review(OTHER, 'files', lists(tool('read')));
    for (let index = 0; index < 200; index += 1) {
      clock.advance(10);
      pins.review(PEER, `server-${index}`, lists(tool('read')));
    }
    expect(pins.count()).toBeLessThanOrEqual(64);
    const changed = lists(tool('read', 'other'));
    expect(reasonsOf(pins.review('', 'files', changed).quarantined)).toEqual({ read: 'changed' });
    expect(reasonsOf(pins.review(OTHER, 'files', changed).quarantined)).toEqual({
      read: 'changed',
    });
    const newest = pins.review(PEER, 'server-199', changed);
    expect(reasonsOf(newest.quarantined)).toEqual({ read: 'changed' });
    expect(pins.review(PEER, 'server-0', changed).quarantined).toEqual([]);
  });

  it('outlive a disk that fails for a while, and damaged rows', async () => {
    const table = memoryTable();
    const clock = createTestClock();
    const batch = table.batch.bind(table);
    let isBroken = true;
    table.batch = async (writes) => {
      if (isBroken) throw new StarlingError('STARLING_STATE_UNUSABLE', 'the disk is full');
      await batch(writes);
    };
    const components = { table, clock, logger: silentLogger, health: createHealth() };
    const pins = createPins(components, { mode: 'strict', perServerMax: 10 });
    await pins.start();
    pins.review('', 'files', lists(tool('read')));
    await new Promise(setImmediate);
    isBroken = false;
    clock.advance(5000);
    await new Promise(setImmediate);
    expect(table.rows.size).toBe(2);
    await pins.stop();
    table.rows.set('pin/damaged', Buffer.from('{"owner":7}'));
    table.rows.set('pin/worse', Buffer.from('{'));
    const again = createPins(components, { mode: 'strict', perServerMax: 10 });
    await again.start();
    const { quarantined } = again.review('', 'files', lists(tool('read', 'other')));
    expect(reasonsOf(quarantined)).toEqual({ read: 'changed' });
  });

  it('have the definitions of long lists read in turns of the loop, with others between', async () => {
    const { pins } = await bench({ perServerMax: 5000 });
    const many = (count: number): Reviewable =>
      lists(...Array.from({ length: count }, (_, at) => tool(`t${at}`)));
    expect(pins.read([many(100), many(100)])).toBeUndefined();
    let turns = 0;
    const isOver = pins.read([many(1000), many(4000)])?.then(() => true);
    while ((await Promise.race([isOver, new Promise(setImmediate)])) !== true) turns += 1;
    expect(turns).toBeGreaterThanOrEqual(19);
  });

  it('let nothing be offered before it is on disk, and nothing at all while the disk refuses it', async () => {
    const { pins, table, clock, health } = await bench();
    const batch = table.batch.bind(table);
    let isFull = false;
    table.batch = async (writes) => {
      if (isFull) throw new StarlingError('STARLING_STATE_UNUSABLE', 'the disk is full');
      await batch(writes);
    };
    const told: string[] = [];
    pins.events.on('change', (_, server) => told.push(server));
    const offered = (server: string): string[] =>
      namesOf(pins.offered('', server, lists(tool(`of-${server}`))).allowed);
    expect(offered('early')).toEqual([]);
    await pins.keeping();
    expect(offered('early')).toEqual(['of-early']);
    isFull = true;
    expect(offered('late')).toEqual([]);
    await pins.keeping();
    expect([offered('early'), offered('late')]).toEqual([['of-early'], []]);
    expect(health.warnings().map(({ code }) => code)).toEqual(['pins-unkept']);
    isFull = false;
    clock.advance(5000);
    await new Promise(setImmediate);
    expect(offered('late')).toEqual(['of-late']);
    expect(health.warnings()).toEqual([]);
    expect(told).toEqual(['early', 'late', 'late']);
    await pins.stop();
  });

  it('never allow an own definition that was neither seen first nor approved, and never forget', async () => {
    const item = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      description: fc.constantFrom('x', 'y', 'z\u200B'),
    });
    const list = fc.uniqueArray(item, { selector: ({ name }) => name, maxLength: 3 });
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('list' as const), list }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('approve' as const), list }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { pins, restart } = await bench();
        const trusted = new Map<string, string>();
        let isFirst = true;
        let last: Reviewable = lists();
        for (const { do: kind, list: items } of steps) {
          const catalog = lists(...items.map(({ name, description }) => tool(name, description)));
          const { allowed, quarantined } = pins.review('', 'files', catalog);
          if (catalog.tools.length > 0) last = catalog;
          for (const one of catalog.tools) {
            const text = String(one['description']);
            if (isFirst && !text.includes('\u200B')) trusted.set(one.name, text);
          }
          if (catalog.tools.length > 0) isFirst = false;
          const expected = catalog.tools.filter((it) => trusted.get(it.name) === it['description']);
          expect(allowed.tools).toEqual(expected);
          expect(allowed.tools.length + quarantined.length).toBe(catalog.tools.length);
          if (kind === 'approve' && quarantined.length > 0) {
            await pins.approve('', 'files');
            for (const one of catalog.tools) trusted.set(one.name, String(one['description']));
          }
        }
        const before = pins.review('', 'files', last);
        const again = await restart();
        expect(again.review('', 'files', last).quarantined).toEqual(before.quarantined);
      }),
      { seed: 5, numRuns: upTo(60, 150) },
    );
  });
});

describe('a pin on disk', () => {
  it('calls the reason of a quarantine as it always did, and is read so', async () => {
    const { pins, table, restart } = await bench();
    pins.review('', 'files', lists(tool('read')));
    pins.review('', 'files', lists(tool('read'), tool('late')));
    await pins.stop();
    const rows: Record<string, unknown>[] = [];
    for await (const [, value] of table.entries('pin/')) {
      rows.push(JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>);
    }
    const late = rows.find(({ name }) => name === 'late');
    expect(late).toMatchObject({ owner: '', server: 'files', kind: 'tool', held: 'new' });
    const again = await restart();
    const { quarantined } = again.review('', 'files', lists(tool('read'), tool('late')));
    expect(quarantined).toMatchObject([{ name: 'late', reason: 'new' }]);
  });
});
