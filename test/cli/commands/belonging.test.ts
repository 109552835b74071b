/** What the commands about belonging print, at 80 columns, and what they ask. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import stringWidth from 'string-width';
import { describe, expect, it, vi } from 'vitest';
import type {
  KnockListResult,
  MembersResult,
  PeerRemoveResult,
  PeerShowResult,
} from '../../../src/builtin/results.ts';
import { describeMembers } from '../../../src/cli/commands/members/list.ts';
import { describeRemoval } from '../../../src/cli/commands/peers/remove.ts';
import { describePeer } from '../../../src/cli/commands/peers/show.ts';
import { askToMove } from '../../../src/cli/terminal/questions/ask-to-move.ts';
import { choosePeer } from '../../../src/cli/terminal/questions/choose-peer.ts';
import { calledLine, nameLines } from '../../../src/cli/terminal/lines/name-lines.ts';
import { StarlingError } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { createIdentity, shortId, withShortIds } from '../../../src/identity/index.ts';
import { fakeNode, run } from '../support.ts';

const GOLDEN = resolve(import.meta.dirname, '../../golden/terminal');
const COLUMNS = 80;
const NOW = Date.parse('2026-05-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const [ALICE, BOB, CAROL] = [2, 3, 4].map((seed) => createIdentity(Buffer.alloc(32, seed))) as [
  ReturnType<typeof createIdentity>,
  ReturnType<typeof createIdentity>,
  ReturnType<typeof createIdentity>,
];

const MEMBERS: MembersResult & KnockListResult = {
  members: [
    {
      ...ALICE,
      name: 'workstation',
      isSelf: true,
      isFounder: true,
      state: 'member',
      since: NOW - 400 * HOUR_MS,
      canInvite: true,
    },
    {
      ...BOB,
      name: 'laptop',
      newName: 'anna',
      isSelf: false,
      isFounder: false,
      by: 'workstation',
      state: 'member',
      since: NOW - 30 * HOUR_MS,
      canInvite: false,
    },
    {
      ...CAROL,
      name: 'laptop-bjya',
      isSelf: false,
      isFounder: false,
      by: 'laptop',
      state: 'out',
      since: NOW - 20 * HOUR_MS,
      canInvite: true,
      end: { by: 'workstation', at: NOW - HOUR_MS, of: 'laptop', reason: 'it was lost on a train' },
    },
  ],
  tickets: [
    {
      id: '3f9c2a7eAAAA',
      by: 'workstation',
      isOwn: true,
      since: NOW - HOUR_MS,
      expiresAt: NOW + 23 * HOUR_MS,
      uses: 5,
      usedBy: ['laptop'],
      canInvite: false,
    },
  ],
  knocks: [
    {
      name: 'tablet',
      peerId: CAROL.peerId,
      fingerprint: 'hema mafa dido zeza',
      address: '192.168.77.10',
      at: NOW - 60_000,
    },
  ],
};

const GRANT = {
  id: '8fK2abcdAAAA',
  direction: 'issued',
  with: 'laptop',
  did: BOB.did,
  capabilities: [{ resource: 'tool:files/*', ability: 'tool/call' }],
  renewed: true,
  issuedAt: NOW,
  expiresAt: NOW + HOUR_MS,
  state: 'valid',
} as const;

const SHOWN: PeerShowResult = {
  peer: {
    peerId: BOB.peerId,
    did: BOB.did,
    alias: 'laptop',
    newName: 'anna',
    callsUs: 'workstation-ndcg',
    state: 'alive',
    lastHeartbeatAt: NOW - 3000,
    rttMs: 1.24,
    route: 'direct',
    address: '/ip4/192.168.77.10/tcp/4040',
    presence: { name: 'anna', version: '0.1.0', addresses: [], load: 0, catalog: '', boards: {} },
  },
  member: { ...(MEMBERS.members[1] as MembersResult['members'][number]) },
  grants: [GRANT],
};

const REMOVED: PeerRemoveResult = {
  peer: 'laptop',
  peerId: BOB.peerId,
  did: BOB.did,
  members: ['laptop-bjya', 'tablet'],
  grants: ['8fK2abcdAAAA'],
  tickets: ['3f9c2a7eAAAA', '1b9c2a7eAAAA'],
  connections: 1,
};

const OUTPUTS: Readonly<Record<string, () => string>> = {
  members: () => describeMembers(MEMBERS, COLUMNS),
  'members-alone': () =>
    describeMembers({ members: MEMBERS.members.slice(0, 1), tickets: [], knocks: [] }, COLUMNS),
  'peers-show': () => describePeer(SHOWN),
  'peers-remove': () => describeRemoval(REMOVED),
  'peers-remove-alone': () =>
    describeRemoval({ ...REMOVED, members: [], grants: [], tickets: [], connections: 0 }),
};

describe('what is printed', () => {
  it.each(Object.keys(OUTPUTS))('of %s is the golden text, and fits 80 columns', (name) => {
    vi.spyOn(Date, 'now').mockReturnValue(NOW);
    const text = `${OUTPUTS[name]?.() ?? ''}\n`;
    vi.restoreAllMocks();
    expect(text).toBe(readFileSync(resolve(GOLDEN, `${name}.txt`), 'utf8'));
    for (const line of text.split('\n'))
      expect(stringWidth(line), line).toBeLessThanOrEqual(COLUMNS);
  });

  it('of names says what is taken where, what somebody chose, and what has changed, once', () => {
    const before = { ...SHOWN.peer, newName: undefined, callsUs: undefined };
    const tail = (id: string): string => id.toLowerCase().slice(-4);
    const taken = `workstation-${tail(CAROL.peerId)}`;
    const self = { name: 'workstation', peerId: CAROL.peerId };
    expect(calledLine(taken, ['laptop'], self)).toBe(
      `you are called ${taken} at laptop: another has the name of this node there; another name: on laptop, starling peers rename ${taken} <name>`,
    );
    expect(nameLines({ ...SHOWN.peer, callsUs: taken }, before as never)).toEqual([
      'laptop calls itself anna now; here it stays laptop, until: starling peers rename laptop anna',
    ]);
    expect(nameLines(SHOWN.peer, SHOWN.peer)).toEqual([]);
    const { newName: _, callsUs: __, ...rest } = SHOWN.peer;
    const alias = `anna-${tail(BOB.peerId)}`;
    expect(nameLines({ ...rest, alias }, undefined)).toEqual([
      `${alias} calls itself anna, a name that is not free here; another name: starling peers rename ${alias} <name>`,
    ]);
    expect(nameLines({ ...rest, alias: 'gpu' }, undefined)).toEqual([
      'gpu calls itself anna; here it is gpu, as you named it',
    ]);
    expect(calledLine('boss', ['gpu'], self)).toBe('gpu calls you boss');
  });
});

describe('an id', () => {
  it('has one short form, from either way of writing it, and stays whole in an address', () => {
    const { did, peerId } = BOB;
    expect(shortId(did)).toBe(shortId(peerId));
    expect(shortId(peerId)).toBe(`…${peerId.slice(-8)}`);
    expect(shortId('client:ci')).toBe('client:ci');
    const address = `/ip4/10.0.0.1/tcp/4040/p2p/${peerId}`;
    expect(withShortIds(`${peerId} and ${did} at ${address}`)).toBe(
      `${shortId(peerId)} and ${shortId(peerId)} at ${address}`,
    );
  });
});

/** Somebody at a terminal who types `answer`. */
function person(answer: string): {
  input: PassThrough & { isTTY: boolean };
  output: PassThrough & { isTTY: boolean };
} {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = Object.assign(new PassThrough(), { isTTY: true });
  input.write(`${answer}\n`);
  return { input, output };
}

const SEVERAL = new StarlingError('STARLING_PEER_AMBIGUOUS', "2 peers go by the name 'laptop'", {
  data: {
    candidates: [
      { alias: 'laptop', peerId: BOB.peerId, state: 'alive' },
      { alias: 'laptop-bjya', peerId: CAROL.peerId, state: 'alive' },
    ],
  },
});

describe('a name by which two go', () => {
  it.each([
    ['2', CAROL.peerId],
    ['1', BOB.peerId],
    ['none', undefined],
  ])('is asked about on a terminal: %s', async (answer, chosen) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(await choosePeer(SEVERAL, person(answer))).toBe(chosen);
    vi.restoreAllMocks();
  });

  it('lists both where nobody can be asked, and does nothing', async () => {
    const { message: reason, data } = SEVERAL;
    const node = await fakeNode({
      answer(asked, { fail }) {
        const { candidates } = data as { readonly candidates: JsonObject[] };
        const about = { code: SEVERAL.code, reason, candidates };
        fail(asked['id'], { code: -32602, message: reason, data: about });
      },
    });
    const ran = await run('peers', 'show', 'laptop', '--state', node.stateDir);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/STARLING_PEER_AMBIGUOUS/);
  });
});

describe('leaving a mesh where nobody else is', () => {
  const from = { id: ALICE.did, name: 'bobs', open: false, fingerprint: 'a b c d' };
  const to = { name: 'home', fingerprint: 'e f g h' };
  it.each([
    ['yes', true],
    ['', false],
    ['n', false],
  ])('is asked about: %j', async (answer, agreed) => {
    const talk = person(answer);
    expect(await askToMove(from, to, talk)).toBe(agreed);
    expect(String(talk.output.read())).toMatch(
      /the mesh 'bobs' \(a b c d\)[^]*for 'home' \(e f g h\)/,
    );
  });

  it('is no where nobody can be asked', async () => {
    const pipe = { input: new PassThrough(), output: new PassThrough() };
    expect(await askToMove(from, to, pipe)).toBe(false);
  });
});
