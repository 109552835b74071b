/** The tools for grants, as the operator and as others call them. */
import type { PeerView } from '../../../src/membership/index.ts';
import { describe, expect, it } from 'vitest';
import { grantTools } from '../../../src/builtin/index.ts';
import type {
  GrantCreateResult,
  GrantExportResult,
  GrantImportResult,
  GrantRevokeResult,
  GrantShowResult,
  GrantVerifyResult,
} from '../../../src/builtin/index.ts';
import type { BudgetView } from '../../../src/budget/index.ts';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { createCounters, createGrantBook } from '../../../src/grants/index.ts';
import type { Counters, GrantBook } from '../../../src/grants/index.ts';
import type { Upstream } from '../../../src/gateway/index.ts';
import type { OpenTicket } from '../../../src/mesh/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import {
  NOW_MS,
  alice,
  bob,
  forge,
  grantOf,
  manualClock,
  owner,
  stranger,
} from '../../grants/arrange.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const DAY_MS = 86_400_000;
const HOURS = { from: '00:00', to: '23:59' };

interface Desk {
  readonly book: GrantBook;
  readonly components: Parameters<typeof grantTools>[0];
  readonly counters: Counters;
  readonly call: <Result>(name: string, args?: JsonObject, as?: Principal) => Promise<Result>;
}

/** The one server of the desk, as far as grants look at it. */
class FilesServer {
  readonly server = 'files';
  readonly #catalog = {
    tools: [
      { name: 'read_file', inputSchema: { properties: { path: {}, head: {} } } },
      { name: 'read_many', inputSchema: { properties: { paths: {} } } },
      { name: 'write_file', inputSchema: { type: 'object' } },
    ],
    prompts: [{ name: 'sum' }],
  };
  readonly #status = { state: 'ready' };

  status(): unknown {
    return this.#status;
  }

  catalog(): unknown {
    return this.#catalog;
  }
}
const files = new FilesServer() as unknown as Upstream;

/** Open, and made by another member. */
const TICKET: OpenTicket = {
  id: 'VTWoCfHi0123456789',
  by: alice.did,
  since: NOW_MS,
  expiresAt: NOW_MS + DAY_MS,
  uses: 1,
  usedBy: [],
  canInvite: true,
};

const operator: Principal = { kind: 'operator' };

async function deskOf(identity: Signer): Promise<Desk> {
  const clock = manualClock();
  const logger = silentLogger;
  const tables = { grants: memoryTable(), revocations: memoryTable() };
  const book = createGrantBook({ identity, ...tables, clock, logger });
  await book.start();
  const counters = createCounters({
    table: memoryTable(),
    grants: book,
    self: identity.did,
    clock,
    logger,
  });
  await counters.start();
  const components = {
    clock,
    grants: book,
    budgets: {
      idOf(reference: string) {
        if (['research', 'bResearch'].includes(reference)) return 'bResearch';
        throw new StarlingError('STARLING_BUDGET_UNKNOWN', `no budget is called ${reference}`);
      },
      knows: (id: string) => id === 'bResearch',
      show: () => ({ name: 'research' }) as BudgetView,
    },
    counters,
    membership: {
      peer: () => undefined,
      nameOf: () => 'tablet',
      peers: () => [
        { alias: 'laptop', callsUs: 'box' } as PeerView,
        { alias: 'liar', callsUs: 'laptop' } as PeerView,
      ],
      resolve: (name: string) => {
        if (name === 'alice') return { alias: 'alice', did: alice.did } as PeerView;
        throw new StarlingError('STARLING_PEER_UNKNOWN', `no peer ${name}`);
      },
    },
    members: { tickets: () => [TICKET] },
    admission: { ticketOf: () => undefined },
    offers: { all: () => [files] },
    self: { name: 'workstation' },
    createTicket: () => Promise.reject(new Error('not here')),
  };
  const tools = grantTools(components);
  return {
    book,
    components,
    counters,
    async call<Result>(name: string, args: JsonObject = {}, principal = operator) {
      const tool = tools.find(({ definition }) => definition.name === name);
      if (tool === undefined) throw new Error(`no tool ${name}`);
      const context = { principal, signal: new AbortController().signal };
      return (await tool.call(args, context)) as unknown as Result;
    },
  };
}

const toAlice = { peer: alice.did, tools: ['files/*'] };

describe('grant_create', () => {
  it('makes a grant of a day that is renewed; with an end, one that is not', async () => {
    const { call, book } = await deskOf(owner);
    const daily = await call<GrantCreateResult>('grant_create', toAlice);
    expect(daily.grant).toMatchObject({ renewed: true, expiresAt: NOW_MS + DAY_MS });
    const ending = await call<GrantCreateResult>('grant_create', { ...toAlice, expires_s: 60 });
    expect(ending.grant).toMatchObject({ renewed: false, expiresAt: NOW_MS + 60_000 });
    expect(book.renewable().map(({ grant }) => grant.claims.jti)).toEqual([daily.grant.id]);
  });

  it('puts its conditions on each thing, and those on arguments on what has some', async () => {
    const { call } = await deskOf(owner);
    const { grant } = await call<GrantCreateResult>('grant_create', {
      ...toAlice,
      resources: ['files/file:///srv/docs/**'],
      uses: 100,
      rate: { per_s: 5, burst: 5 },
      args: { path: { paths: ['/srv/docs/**'] } },
      hours: { from: '08:00', to: '18:00' },
      approval: 'required',
      max_depth: 2,
    });
    const own = {
      uses: 100,
      rate: { per_s: 5, burst: 5 },
      hours: { from: '08:00', to: '18:00' },
      approval: 'required',
    };
    expect(grant.capabilities.map(({ ability, caveats }) => [ability, caveats])).toEqual([
      ['tool/call', { ...own, args: { path: { paths: ['/srv/docs/**'] } } }],
      ['resource/read', own],
      ['resource/subscribe', own],
    ]);
    expect(grant.taken?.map(({ uses }) => uses)).toEqual([0, 0, 0]);
  });

  it('holds sixteen servers, and of more says how many fit, and what to do', async () => {
    const { call } = await deskOf(owner);
    const servers = Array.from({ length: 17 }, (_, index) => `server-${index}`);
    const fitting = { peer: toAlice['peer'], servers: servers.slice(1) };
    const { grant } = await call<GrantCreateResult>('grant_create', fitting);
    expect(grant.capabilities).toHaveLength(64);
    await expect(call('grant_create', { peer: toAlice['peer'], servers })).rejects.toMatchObject({
      code: 'STARLING_LIMIT_EXCEEDED',
      message: 'one grant holds at most 64 rights, and this would need 68',
      hint: expect.stringContaining('at most 16 servers at a time') as string,
    });
  });

  it.each([
    'files__read_file',
    'workstation__files__read_file',
    'workstation/files/read_file',
    '@workstation/files/read_file',
    // What a peer calls this node stands before its tools there.
    'box__files__read_file',
    'box/files/read_file',
  ])('takes a tool as lists and messages show it: %s', async (tool) => {
    const { call } = await deskOf(owner);
    const args = { peer: toAlice['peer'], tools: [tool] };
    const { grant, remarks } = await call<GrantCreateResult>('grant_create', args);
    expect(grant.capabilities).toEqual([
      { resource: 'tool:files/read_file', ability: 'tool/call' },
    ]);
    expect(remarks).toBeUndefined();
  });

  it('takes prompts, resources and servers with the name of this node before them', async () => {
    const { call } = await deskOf(owner);
    const { grant } = await call<GrantCreateResult>('grant_create', {
      peer: toAlice['peer'],
      prompts: ['workstation__files__sum', 'workstation/files/sum'],
      resources: ['workstation/files/file:///srv/docs/**'],
      servers: ['workstation/files'],
    });
    expect(new Set(grant.capabilities.map(({ resource }) => resource))).toEqual(
      new Set([
        'prompt:files/sum',
        'resource:files/file:/srv/docs/**',
        'tool:files/**',
        'prompt:files/**',
        'resource:files/**',
      ]),
    );
  });

  it.each([
    [{ tools: ['laptop/files/read_file'] }, "--tool 'files/read_file'"],
    [{ tools: ['laptop__files__read_file'] }, "--tool 'files/read_file'"],
    [{ tools: ['@laptop/files/*'] }, "--tool 'files/*'"],
    [{ prompts: ['laptop__git__sum'] }, "--prompt 'git/sum'"],
    [{ servers: ['laptop/git'] }, "--server 'git'"],
  ])('says who grants what is at a peer: %j', async (what, command) => {
    const { call, book } = await deskOf(owner);
    const grant = call('grant_create', { peer: toAlice['peer'], ...what });
    await expect(grant).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      message: expect.stringMatching(/' is at laptop, and only laptop can grant it$/) as string,
      hint: expect.stringContaining(`on laptop: starling grant create <peer> ${command}`) as string,
    });
    expect(book.issued()).toEqual([]);
  });

  it.each([
    ['read_file', 'did you mean files/read_file?'],
    ['files__*', 'did you mean files/*?'],
    ['*', "for example 'files/*' for all of the server files"],
    ['nothing', "for example 'nothing/*' for all of the server nothing"],
  ])('says how a tool is written that is given as %s', async (tool, says) => {
    const { call } = await deskOf(owner);
    const args = { peer: toAlice['peer'], tools: [tool] };
    await expect(call('grant_create', args)).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      hint: expect.stringContaining(says) as string,
    });
  });

  it('keeps the id of a budget, whose name may mean another one tomorrow', async () => {
    const { call, book } = await deskOf(owner);
    const args = { peer: toAlice['peer'], models: ['gpu/*'], budget: { id: 'research', max: 5 } };
    await call('grant_create', args);
    expect(book.issued()[0]?.claims.cap).toEqual([
      {
        resource: 'model:gpu/*',
        ability: 'model/use',
        caveats: { budget: { id: 'bResearch', max: 5 } },
      },
    ]);
    expect(await call('grant_list', {})).toMatchObject({
      grants: [{ budgets: [{ capability: 0, name: 'research' }] }],
    });
  });

  it('refuses a budget for the use of models that nobody knows', async () => {
    const { call, book } = await deskOf(owner);
    const args = { peer: toAlice['peer'], models: ['gpu/*'], budget: { id: 'nothing' } };
    await expect(call('grant_create', args)).rejects.toMatchObject({
      code: 'STARLING_BUDGET_UNKNOWN',
    });
    expect(book.issued()).toEqual([]);
  });

  it('says what is meant by a tool that no server here lists, written as lists show it', async () => {
    const { call } = await deskOf(owner);
    const args = { peer: toAlice['peer'], tools: ['desk__files__nothing'] };
    await expect(call('grant_create', args)).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      hint: 'did you mean files/nothing?',
    });
  });

  it.each<[JsonObject, RegExp]>([
    [{ uses: 0 }, /uses/],
    [{ rate: { per_s: 5 } }, /rate.burst/],
    [{ args: { path: { pattern: 'x' } } }, /pattern/],
    [{ args: { path: { paths: ['/srv/../etc'] } } }, /args is malformed/],
    [{ hours: { from: '8', to: '9' } }, /hours is malformed/],
    [{ approval: 'perhaps' }, /approval/],
    [{ max_depth: 8 }, /max_depth/],
  ])('refuses %j', async (more, says) => {
    const { call } = await deskOf(owner);
    await expect(call('grant_create', { ...toAlice, ...more })).rejects.toThrow(says);
  });
});

describe('grant_revoke', () => {
  it('by the name of a peer ends nothing, and says which grants that peer has', async () => {
    const { call, book } = await deskOf(owner);
    const { grant } = await call<GrantCreateResult>('grant_create', toAlice);
    await expect(call('grant_revoke', { id: 'alice' })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      message: `'alice' is a peer; its grants: ${grant.id.slice(0, 8)}`,
      hint: expect.stringContaining('starling grant list alice') as string,
    });
    expect(book.held(alice.did)).toHaveLength(1);
    // Tickets of all members are listed together; who made one ends it.
    await expect(call('grant_revoke', { id: 'VTWoCfHi' })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      message: 'the ticket VTWoCfHi was made by tablet, and ends only there',
      hint: 'on tablet: starling grant revoke VTWoCfHi; or put tablet out, with which its tickets end: starling peers remove tablet',
    });
    await expect(call('grant_revoke', { id: 'xy' })).rejects.toMatchObject({
      code: 'STARLING_GRANT_UNKNOWN',
      message: "'xy' is no grant of this node",
    });
  });
});

describe('grant_create says', () => {
  const create = async (
    desk: Desk,
    args: JsonObject,
  ): Promise<Pick<GrantCreateResult, 'grant' | 'remarks'>> =>
    desk.call<GrantCreateResult>('grant_create', { peer: alice.did, ...args });

  it.each<[JsonObject, readonly string[]]>([
    [{ tools: ['files/read_file'] }, []],
    [{ tools: ['files/*_file'], servers: ['files'], resources: ['files/file:///srv/**'] }, []],
    [
      { tools: ['fils/read_file'] },
      [
        "no server here is called 'fils' (did you mean 'files'?): that part of the grant counts once there is one",
      ],
    ],
    [
      { servers: ['git'], prompts: ['git/*'] },
      ["no server here is called 'git': that part of the grant counts once there is one"],
    ],
    [
      { tools: ['files/raed_file', 'files/delete_*'] },
      [
        "files has no tool 'raed_file' (did you mean 'read_file'?): that part of the grant counts once there is one",
        "no tool of files fits 'delete_*': that part of the grant counts once there is one",
      ],
    ],
  ])('of %j what is not there, with the nearest', async (args, says) => {
    const { remarks = [] } = await create(await deskOf(owner), args);
    expect(remarks).toEqual(says);
  });

  it('that no tool has an argument that is bound, and that the holder has the same already', async () => {
    const desk = await deskOf(owner);
    const typo = await create(desk, { tools: ['files/read_file'], args: { pth: { const: 'a' } } });
    expect(typo.remarks).toEqual([
      "read_file of files has no argument 'pth' (did you mean 'path'?): no call of it fits the grant",
    ]);
    const path = { path: { paths: ['/srv/**'] } };
    const some = await create(desk, { tools: ['files/read_*'], args: path, expires_s: 60 });
    expect(some.remarks?.[0]).toBe(
      "read_many of files has no argument 'path' (did you mean 'paths'?): no call of it fits the grant",
    );
    const all = await create(desk, { servers: ['files'], args: { depth: { maximum: 3 } } });
    expect(all.remarks?.[0]).toBe(
      "read_file, read_many of files have no argument 'depth': no call of them fits the grant",
    );
    const first = await create(desk, { tools: ['files/write_file'] });
    const id = first.grant.id.slice(0, 8);
    expect((await create(desk, { tools: ['files/write_file'] })).remarks).toEqual([
      `the holder has the same already by grant ${id}: what it may ends only with both`,
    ]);
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['an argument', { tools: ['files/*'] }, { args: { path: { paths: ['/srv/**'] } } }],
    ['a number of uses', { tools: ['files/read_file'], uses: 9 }, { uses: 3 }],
    ['an approval', { servers: ['files'] }, { approval: 'required' }],
    ['an end', { tools: ['files/*'] }, { expires_s: 60 }],
  ])('that %s limits nothing, and by which grant', async (_, before, limit) => {
    const desk = await deskOf(owner);
    const { grant } = await create(desk, before);
    const id = grant.id.slice(0, 8);
    const { remarks } = await create(desk, { tools: ['files/read_file'], ...limit });
    expect(remarks).toEqual([
      expect.stringMatching(
        new RegExp(
          `without the new limits already, by grant ${id}; .* starling grant revoke ${id}$`,
        ),
      ),
    ]);
  });

  it('how far the other grant goes where that one has limits of its own', async () => {
    const desk = await deskOf(owner);
    const tools = ['files/read_file'];
    await create(desk, { tools, args: { path: { paths: ['/srv/**'] } } });
    expect((await create(desk, { tools, uses: 3 })).remarks?.[0]).toMatch(
      /^the holder may call files\/read_file \(path in \/srv\/\*\*\) without the new limits already/,
    );
  });

  it('nothing of a grant whose uses are all taken', async () => {
    const desk = await deskOf(owner);
    const { grant } = await create(desk, { tools: ['files/read_file'], uses: 1 });
    expect(desk.components.counters.taken(desk.book.find(grant.id), 0)).toBe(0);
    desk.counters.take(desk.book.find(grant.id), 0, NOW_MS);
    const { remarks } = await create(desk, { tools: ['files/read_file'], hours: HOURS });
    expect(remarks).toBeUndefined();
  });

  it('nothing of grants that are as narrow, about other things, for others, or over', async () => {
    const desk = await deskOf(owner);
    await create(desk, { tools: ['files/read_file'], uses: 2, expires_s: 60 });
    await create(desk, { tools: ['files/write_file'] });
    await desk.call('grant_create', { peer: bob.did, tools: ['files/*'] });
    const over = await create(desk, { tools: ['files/*'] });
    const first = await desk.call<GrantRevokeResult>('grant_revoke', { id: over.grant.id });
    expect(first.since).toBe(undefined);
    const second = await desk.call<GrantRevokeResult>('grant_revoke', { id: over.grant.id });
    expect(second.since).toBe(NOW_MS);
    const { remarks } = await create(desk, { tools: ['files/read_file'], uses: 3, expires_s: 90 });
    expect(remarks).toBeUndefined();
  });
});

describe('a chain', () => {
  it('is handed on, exported, imported, shown and verified', async () => {
    const [first, second, third] = [await deskOf(owner), await deskOf(alice), await deskOf(bob)];
    const root = await first.call<GrantCreateResult>('grant_create', { ...toAlice, max_depth: 1 });
    const given = await second.call<GrantImportResult>('grant_import', { tokens: [root.jws] });
    expect(given.imported.map(({ id }) => id)).toEqual([root.grant.id]);
    const leaf = await second.call<GrantCreateResult>('grant_delegate', {
      id: root.grant.id,
      peer: bob.did,
      tools: ['files/read_*'],
      uses: 5,
    });
    const { tokens } = await second.call<GrantExportResult>('grant_export', { id: leaf.grant.id });
    expect(tokens).toEqual([leaf.jws, root.jws]);
    await third.call('grant_import', { tokens: [...tokens].reverse() });
    const shown = await third.call<GrantShowResult>('grant_show', { id: leaf.grant.id });
    expect(shown).toMatchObject({ valid: true, owner: owner.did, holder: bob.did });
    // The node that is asked goes by its name, as peers do.
    expect(shown.names).toEqual({ [bob.did]: 'workstation' });
    expect(shown.links.map(({ allows, narrows, handsMax }) => [allows, narrows, handsMax])).toEqual(
      [
        [['tool/call tool:files/read_* (5 uses)'], ['files/* to files/read_*', '5 uses'], 0],
        [['tool/call tool:files/*'], [], 1],
      ],
    );
    const verified = await first.call<GrantVerifyResult>('grant_verify', { tokens });
    expect(verified.valid).toBe(true);
    await first.call('grant_revoke', { id: root.grant.id });
    const after = await first.call<GrantVerifyResult>('grant_verify', { tokens });
    expect(after).toMatchObject({ valid: false, chains: [{ rule: 'revoked' }] });
  });

  it('that is incomplete or tampered with is refused by its rule', async () => {
    const { call } = await deskOf(bob);
    const root = grantOf(owner, alice, { maxDepth: 1 });
    const leaf = grantOf(alice, bob, { parents: [root] });
    const rule = async (...tokens: string[]): Promise<unknown> => {
      const { chains, refused } = await call<GrantVerifyResult>('grant_verify', { tokens });
      return refused[0]?.rule ?? chains[0]?.rule;
    };
    expect(await rule(leaf.jws)).toBe('missing-parent');
    expect(await rule(root.jws, forge(stranger, leaf.claims))).toBe('signature');
    const refusedOnes = await call<GrantImportResult>('grant_import', { tokens: [leaf.jws] });
    expect(refusedOnes).toMatchObject({ imported: [], refused: [{ rule: 'missing-parent' }] });
  });
});
