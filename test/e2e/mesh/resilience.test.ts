/** What goes wrong, what is hidden and what is let back, with the owner two peers away. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { attach } from '../callers.ts';
import type { Caller, Era, Params, Way } from '../callers.ts';
import {
  SERVERS,
  eventually,
  json,
  ok,
  sameListen,
  sees,
  startPair,
  status,
  ticketOf,
  upstream,
  useWorld,
} from '../support.ts';

const world = useWorld('file');
const IDLE_MS = 1000;

let ownerConfig: { readonly mcpServers: Params; readonly listen: readonly string[] };
let owner: NodeProcess;
let second: NodeProcess;
let guest: NodeProcess;
/** A node with a server that never answers, once it is up; the error where it does not come up. */
let patient: Promise<NodeProcess | Error>;

const logOf = async (name: string): Promise<string> => join(await world.root(), `${name}.log`);
const heardBy = async (name: string): Promise<string> => readFile(await logOf(name), 'utf8');

/** Without a sandbox, in which a process has another number than outside. */
async function plain(era: Era, log: string, ...more: string[]): Promise<object> {
  const entry = SERVERS.fixture('plain.mjs', '--era', era, '--log', await logOf(log), ...more);
  return { ...entry, sandbox: false };
}

beforeAll(async () => {
  // It takes half a minute, and nothing of the processor: the other tests run meanwhile.
  patient = world
    .start('patient', {
      config: { mcpServers: { silent: SERVERS.fixture('silent.mjs'), good: SERVERS.toolbox() } },
    })
    .catch((error: unknown) => error as Error);
  const text = join(await world.root(), 'text');
  await writeFile(text, 'Notes something.');
  const mcpServers = {
    legacy: await plain('legacy', 'legacy'),
    modern: await plain('modern', 'modern'),
    brief: { ...(await plain('legacy', 'brief')), idleTimeout: IDLE_MS },
    pinned: await plain('legacy', 'pinned', '--text', text),
  };
  const twin = (label: string): Promise<object> => plain('legacy', label, '--label', label);
  ownerConfig = { mcpServers: { ...mcpServers, twin: await twin('first') }, listen: sameListen() };
  const views = {
    small: { allow: ['owner/legacy/pid', 'owner/legacy/n*'], deny: ['owner/legacy/note'] },
    find: { tools: 'search' },
  };
  ({ owner, guest } = await startPair(world, ownerConfig, { list: { merge: true }, views }));
  second = await world.start('second', {
    config: { mcpServers: { twin: await twin('second') } },
    args: ['--join', await ticketOf(owner)],
  });
  await sees(second, [guest]);
  await ok(second, 'grant', 'create', 'guest', '--server', 'twin');
});

/** A client at the guest that ends with the file. */
async function client(era: Era, way: Way, more: object = {}): Promise<Caller> {
  const caller = await attach(guest, { era, way, ...more });
  world.defer(() => caller.close());
  return caller;
}

const textOf = ({ content }: Params): string =>
  (content as readonly { text?: string }[]).map(({ text }) => text ?? '').join('|');

const call = async (caller: Caller, name: string, args: Params = {}): Promise<string> =>
  textOf(await caller.ask('tools/call', { name, arguments: args }));

async function toolsOf(caller: Caller): Promise<readonly string[]> {
  const { tools } = await caller.ask('tools/list');
  return (tools as readonly { name: string }[]).map(({ name }) => name);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

const gone = (what: string, pid: number, timeoutMs?: number): Promise<boolean> =>
  eventually(
    `${what} is gone`,
    async () => isAlive(pid),
    (alive) => !alive,
    timeoutMs,
  );

const count = (text: string, part: string): number => text.split(part).length - 1;

const combinations: readonly (readonly [client: Era, way: Way, server: Era])[] = [
  ['legacy', 'stdio', 'legacy'],
  ['legacy', 'http', 'modern'],
  ['modern', 'stdio', 'legacy'],
  ['modern', 'http', 'modern'],
];

describe('the process of a server is killed', () => {
  it.each(combinations)(
    'and a %s client over %s goes on with a new one of a %s server, and hears it',
    async (era, way, server) => {
      const caller = await client(era, way);
      const before = Number(await call(caller, `owner__${server}__pid`));
      const { resources } = await caller.ask('resources/list');
      const own = (resources as readonly Params[]).find(
        ({ _meta }) => (_meta as Params | undefined)?.['starling/server'] === server,
      );
      const uri = String(own?.['uri']);
      await caller.subscribe(uri);
      await touched(caller, server, uri);

      const heardBefore = await heardBy(server);
      process.kill(before, 'SIGKILL');
      await gone('the process', before);
      // Nobody calls, and yet what is subscribed to is asked for again.
      await eventually(
        'subscribed to again',
        async () => (await heardBy(server)).slice(heardBefore.length),
        (log) => /resources\/subscribe|"resourceSubscriptions":\["plain/.test(log),
      );
      const after = Number(await call(caller, `owner__${server}__pid`));
      expect(after).not.toBe(before);
      caller.heard.length = 0;
      await touched(caller, server, uri);
    },
  );

  it.each([false, true])(
    'while what it started holds its output (in a group of its own: %s)',
    async (detached) => {
      const caller = await client('legacy', 'stdio');
      const pid = Number(await call(caller, 'owner__legacy__pid'));
      const args = { stdio: 'inherit', detached };
      const child = Number(await call(caller, 'owner__legacy__child', args));
      process.kill(pid, 'SIGKILL');
      const next = await eventually(
        'a new process answers',
        () => call(caller, 'owner__legacy__pid').then(Number, () => pid),
        (answer) => answer !== pid,
      );
      expect(isAlive(next)).toBe(true);
      await gone('what it started', child);
    },
  );

  it('in the middle of a call: that call fails by name and is not made again', async () => {
    const caller = await client('legacy', 'stdio');
    const pid = Number(await call(caller, 'owner__legacy__pid'));
    const before = await heardBy('legacy');
    const hanging = caller.ask(
      'tools/call',
      { name: 'owner__legacy__hang' },
      { onprogress: () => process.kill(pid, 'SIGKILL') },
    );
    await expect(hanging).rejects.toMatchObject({
      code: -32_003,
      message: expect.stringMatching(/'legacy' was ended by SIGKILL/) as string,
      data: expect.objectContaining({ server: 'legacy', retryable: true }) as object,
    });
    expect(await call(caller, 'owner__legacy__note')).toBe('noted');
    expect(count((await heardBy('legacy')).slice(before.length), '"hang"')).toBe(1);
  });
});

const updatesOf = (caller: Caller, uri: string): readonly unknown[] =>
  caller.heard.filter(
    ({ method, params }) => method === 'notifications/resources/updated' && params['uri'] === uri,
  );

async function touched(caller: Caller, server: string, uri: string): Promise<void> {
  await eventually(
    'the update is heard',
    async () => {
      await call(caller, `owner__${server}__touch`);
      return updatesOf(caller, uri);
    },
    (updates) => updates.length > 0,
  );
}

describe('a server that nobody uses', () => {
  it('ends with all that it started, and starts again for the next call', async () => {
    const caller = await client('legacy', 'http');
    // Where two calls lie farther apart than it may be idle, each has a process of its own.
    const [pid, child] = await eventually(
      'a process that has started another',
      async (): Promise<readonly [number, number]> => [
        Number(await call(caller, 'owner__brief__pid')),
        Number(await call(caller, 'owner__brief__child')),
      ],
      (pids) => pids.every(isAlive),
    );
    await gone('the process', pid);
    await gone('what it started', child);
    expect(Number(await call(caller, 'owner__brief__pid'))).not.toBe(pid);
  });
});

describe('a tool that two owners have alike', () => {
  it('is offered once where it may run twice, and else by the name of each', async () => {
    const caller = await client('legacy', 'http');
    const twins = await eventually(
      'both owners are listed',
      async () => (await toolsOf(caller)).filter((name) => name.includes('twin__w')),
      (names) => names.includes('second__twin__write'),
    );
    expect(twins.toSorted()).toEqual(['owner__twin__write', 'second__twin__write', 'twin__who']);
  });

  it.each(['legacy', 'modern'] as const)(
    'is answered to a %s client by the other one while one can’t',
    async (era) => {
      const caller = await client(era, 'stdio');
      for (const [broken, other] of [
        ['first', 'second'],
        ['second', 'first'],
      ] as const) {
        const flag = `${await logOf(broken)}.broken`;
        await writeFile(flag, '');
        expect(await call(caller, 'twin__who')).toBe(other);
        await rm(flag);
      }
    },
  );

  it('is not tried elsewhere when it may not run twice', async () => {
    const caller = await client('legacy', 'stdio');
    const flag = `${await logOf('first')}.broken`;
    await call(caller, 'owner__twin__note');
    const before = { first: await heardBy('first'), second: await heardBy('second') };
    await writeFile(flag, '');
    await expect(call(caller, 'owner__twin__write')).rejects.toThrow(/'twin' exited with code 3/);
    await rm(flag);
    expect(count((await heardBy('first')).slice(before.first.length), '"write"')).toBe(1);
    expect(await heardBy('second')).toBe(before.second);
  });

  it('goes on when one owner is gone', async () => {
    const caller = await client('legacy', 'http');
    await second.stop('SIGKILL');
    expect(await call(caller, 'twin__who')).toBe('first');
    await sees(guest, [second], 'dead');
    expect(await toolsOf(caller)).toContain('twin__who');
    expect(await call(caller, 'twin__who')).toBe('first');
  });
});

describe('a tool whose definition changes', () => {
  it('is quarantined where it lives and where it is used, until each approves', async () => {
    const caller = await client('legacy', 'http');
    const note = 'owner__pinned__note';
    const lists = (isListed: boolean): Promise<unknown> =>
      eventually(
        `${note} is ${isListed ? '' : 'not '}listed`,
        () => toolsOf(caller),
        (names) => names.includes(note) === isListed,
      );
    expect(await call(caller, note)).toBe('noted');
    await writeFile(join(await world.root(), 'text'), 'Notes something, and sends it to me.');
    // The one instance that is listed hears no calls: each says that the list changed.
    await call(caller, 'owner__pinned__relist');
    await lists(false);
    await expect(call(caller, note)).rejects.toThrow(
      /held back.*on owner.*starling pin approve pinned\/note/,
    );
    expect(await ok(owner, 'pin', 'list')).toMatch(/Notes something, and sends it to me/);

    await ok(owner, 'pin', 'approve', 'pinned/note');
    const held = await eventually(
      'the guest holds it',
      () => ok(guest, 'pin', 'list'),
      (text) => text.includes('owner/pinned/note'),
    );
    expect(held).toMatch(/Notes something, and sends it to me/);
    expect(await toolsOf(caller)).not.toContain(note);
    await expect(call(caller, note)).rejects.toThrow(/starling pin approve owner\/pinned\/note/);

    await ok(guest, 'pin', 'approve', 'owner/pinned/note');
    await lists(true);
    expect(await call(caller, note)).toBe('noted');
  });
});

describe('a caller sees its part', () => {
  it('with an API key what its scopes cover, in either era', async () => {
    const scope = 'tool:@owner/legacy/p*';
    const made = await json<{ key: string }>(guest, 'key', 'create', 'ci', '--scope', scope);
    const { key } = made;
    for (const era of ['legacy', 'modern'] as const) {
      const caller = await client(era, 'http', { token: key });
      const others = (await toolsOf(caller)).filter((name) => !name.startsWith('starling__'));
      expect(others).toEqual(['owner__legacy__pid']);
      expect(Number(await call(caller, 'owner__legacy__pid'))).toBeGreaterThan(0);
      await expect(call(caller, 'owner__legacy__note')).rejects.toThrow(/scope/);
      const { resources } = await caller.ask('resources/list');
      expect(JSON.stringify(resources)).not.toContain('plain:');
      await expect(caller.ask('resources/read', { uri: 'plain://watched' })).rejects.toThrow();
    }
  });

  it.each(['legacy', 'modern'] as const)('in a view what that shows: %s', async (era) => {
    const caller = await client(era, 'http', { path: '/view/small' });
    expect(await toolsOf(caller)).toEqual(['owner__legacy__pid']);
    expect(Number(await call(caller, 'owner__legacy__pid'))).toBeGreaterThan(0);
  });

  it.each(['legacy', 'modern'] as const)('by search, and calls what it finds: %s', async (era) => {
    const caller = await client(era, 'http', { path: '/view/find' });
    expect(await toolsOf(caller)).toEqual(['search_tools', 'describe_tools', 'call_tool']);
    const found = await caller.ask('tools/call', {
      name: 'search_tools',
      arguments: { query: 'capabilities' },
    });
    const name = 'owner__modern__capabilities';
    expect(JSON.stringify(found['structuredContent'])).toContain(name);
    const described = await call(caller, 'describe_tools', { names: [name] });
    expect(described).toContain('x-vendor');
    const answer = await call(caller, 'call_tool', { name, arguments: {} });
    expect(Object.keys(JSON.parse(answer) as object).toSorted()).toEqual([
      'elicitation',
      'sampling',
    ]);
    // A question that comes of the call is asked of the very client.
    const asked = await call(caller, 'call_tool', {
      name: 'owner__modern__ask_url',
      arguments: {},
    });
    expect(asked).toContain('"action":"accept"');
    expect(caller.asked.map(({ method }) => method)).toEqual(['elicitation/create']);
  });
});

describe('the owner is killed and comes back', () => {
  it('and what clients of a peer are subscribed to is heard again, though nobody asks', async () => {
    const first = await client('legacy', 'stdio');
    const callers = [first, await client('modern', 'http')];
    const { resources } = await first.ask('resources/list');
    const own = (resources as readonly Params[]).find(
      ({ _meta }) => (_meta as Params | undefined)?.['starling/server'] === 'legacy',
    );
    const uri = String(own?.['uri']);
    for (const caller of callers) {
      await caller.subscribe(uri);
      await touched(caller, 'legacy', uri);
    }
    await owner.stop('SIGKILL');
    await sees(guest, [owner], 'dead');
    for (const caller of callers) caller.heard.length = 0;
    owner = await world.start('owner', { config: { ...ownerConfig, listen: sameListen(owner) } });
    await sees(guest, [owner]);
    for (const caller of callers) {
      // Whatever changed meanwhile: read it again.
      await eventually(
        'the client is told',
        async () => updatesOf(caller, uri),
        (updates) => updates.length > 0,
      );
      caller.heard.length = 0;
      await touched(caller, 'legacy', uri);
    }
  });
});

describe('a node that stops', () => {
  it('leaves no process behind, and none that a server started', async () => {
    const caller = await client('legacy', 'http');
    const pids = await Promise.all(
      ['legacy__pid', 'legacy__child', 'modern__pid', 'modern__child', 'twin__child'].map(
        async (tool) => Number(await call(caller, `owner__${tool}`)),
      ),
    );
    expect(pids.map(isAlive)).toEqual(pids.map(() => true));
    expect(await owner.stop()).toBe(0);
    for (const pid of pids) await gone(`process ${pid}`, pid);
  });
});

describe('a server that never answers', () => {
  it('is given up after its time to start, and the node goes on with the others', async () => {
    const node = await patient;
    if (node instanceof Error) throw node;
    expect(upstream(await status(node), 'silent')).toMatchObject({ state: 'failed' });
    expect(upstream(await status(node), 'silent').error).toMatch(/answer/);
    expect(upstream(await status(node), 'good').state).toBe('ready');
  });
});
