/** Coming, going, and being put out: one mesh of real processes through an afternoon. */
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { StartFailedError } from '../../../sim/process.ts';
import type { NodeProcess } from '../../../sim/process.ts';
import type {
  KnockListResult,
  MembersResult,
  PeerRemoveResult,
  PeerShowResult,
} from '../../../src/builtin/index.ts';
import type { GrantListResult, LeaveResult } from '../../../src/builtin/results.ts';
import { hasTerminals, startOnTerminal } from '../../cli/terminal/on-terminal.ts';
import { isLong, upTo } from '../../long/extent.ts';
import { longIt } from '../../long/long-it.ts';
import type { OnTerminal } from '../../cli/terminal/on-terminal.ts';
import {
  attempt,
  builtin,
  eventually,
  grantList,
  json,
  ok,
  peers,
  sees,
  ticketOf,
  useWorld,
} from '../support.ts';

const world = useWorld('file');
let alice: NodeProcess;

beforeAll(async () => {
  alice = await world.start('alice');
});

/** Whatever its folder is called: the name is that which was given before. */
const NAMELESS = { config: { name: undefined } };

function onTerminal(args: readonly string[]): OnTerminal {
  const terminal = startOnTerminal(args);
  world.defer(() => terminal.close());
  return terminal;
}

async function refused(
  name: string,
  args: readonly string[],
  config: Readonly<Record<string, unknown>> = {},
): Promise<StartFailedError> {
  const failed = await world.start(name, { args, config }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failed instanceof StartFailedError)) throw new Error(`${name} started: ${String(failed)}`);
  return failed;
}

/** The exit code of a node that ends by itself; its last words are in its log then. */
const ended = (node: NodeProcess): Promise<number | null> => node.ended();

it('a node that founded a mesh of its own by mistake goes over to another, keeps its key, and leaves again', async () => {
  const before = await world.start('bob', { ...NAMELESS, args: ['--name', 'bob'] });
  expect(before.up.ticket).toMatch(/^starling2/);
  await before.stop();
  const joining = ['--join', await ticketOf(alice)];
  const asked = await refused('bob', joining);
  expect(asked.code).toBe(1);
  expect(asked.output).toContain('STARLING_MESH_MISMATCH');
  expect(asked.output).toContain('--yes');

  // `cli/said` has such a question answered with no on a terminal.
  if (isLong && (await hasTerminals())) {
    const up = ['up', '--config', join(before.stateDir, '../starling.json')];
    const terminal = onTerminal([...up, '--state', before.stateDir, ...joining]);
    await terminal.shows(/Leave it, [^]* for\s+'alice-mesh'/);
    terminal.type('no\r');
    const { code, screen } = await terminal.ended();
    expect([code, screen.includes('nothing was changed')]).toEqual([1, true]);
  }

  const bob = await world.start('bob', { ...NAMELESS, args: [...joining, '--yes'] });
  await sees(alice, [bob]);
  expect(bob.up.peerId).toBe(before.up.peerId);
  expect(bob.up.mesh).toEqual(alice.up.mesh);
  expect(bob.up.ticket).toBeUndefined();
  await ok(bob, 'grant', 'create', 'alice', '--tool', 'files/*');
  await ok(bob, 'board', 'set', 'plan', 'owner', 'bob', '--create');
  // Memberships and tickets are listed by `members`; among grants all of them are to be had, when asked for.
  const ofMesh = async (...words: string[]): Promise<number> =>
    (await json<GrantListResult>(alice, 'grant', 'list', ...words)).grants.filter((grant) =>
      grant.capabilities.some(({ resource }) => resource.startsWith('mesh:')),
    ).length;
  expect([await ofMesh(), (await ofMesh('--all')) > 0]).toEqual([0, true]);
  const { members } = await json<MembersResult>(bob, 'members');
  expect(members.map(({ name, state, by }) => [name, state, by])).toEqual([
    ['alice', 'member', undefined],
    ['bob', 'member', 'alice'],
  ]);
  const nobody = await attempt(bob, 'leave');
  expect(nobody.code).toBe(2);
  expect(nobody.stderr).toContain('--yes');
  expect(await json<LeaveResult>(bob, 'leave', '--yes')).toMatchObject({ grants: 1, told: 1 });
  expect(await ended(bob)).toBe(0);
  await eventually(
    'alice knows that bob has left',
    () => builtin<MembersResult>(alice, 'members'),
    (all) => all.members.some(({ name, state }) => name === 'bob' && state === 'left'),
  );
  await eventually(
    'bob is none of her peers',
    () => peers(alice),
    (all) => all.peers.length === 0,
  );

  // The name that was given at the first start has stayed all the while.
  const anew = await world.start('bob', NAMELESS);
  expect(anew.up.peerId).toBe(before.up.peerId);
  expect(anew.up.mesh.name).toBe('bob-mesh');
  expect(anew.up.ticket).toMatch(/^starling2/);
  expect((await grantList(anew)).grants).toEqual([]);
  expect(anew.up.boards).toEqual([]);
  await anew.stop();
  const [address = ''] = alice.up.addresses;
  const lost = await refused('bob', ['--bootstrap', address]);
  expect(lost.code).toBe(1);
  expect(lost.output).toMatch(/STARLING_MESH_MISMATCH.*'bob-mesh'.*is in another.*'alice-mesh'/);
  // While no node runs it can be left as well, and a member of another mesh is told how.
  expect(await ok(anew, 'leave', '--yes')).toMatch(/nobody was told/);
});

// Who knocks, is admitted and goes over: `cli/said` sees that on terminals, with the end of a membership, and `mesh` has each step.
longIt(
  'a node that is alone in a mesh of its own moves over to the mesh that admits it, asked or by --yes',
  async () => {
    const before = await world.start('carl', { ...NAMELESS, args: ['--name', 'carl'] });
    const { peerId } = before.up;
    await before.stop();
    // With --no-mdns a node neither looks for others, whatever its config file says, nor is it to be knocked at.
    const unseeing = await refused('carl', ['--no-mdns', '--knock', 'lab'], { mdns: true });
    expect(unseeing.output).toMatch(/by multicast DNS, which is off.*leave --no-mdns out/s);
    const unheard = await refused('carl', ['--knock', alice.up.addresses[0] ?? '']);
    expect(unheard.output).toContain('hears no knocks');
    const lab = await world.start('workstation', { config: { mdns: true } });
    const knocking = ['--knock', lab.up.addresses[0] ?? ''];
    const asked = await refused('carl', knocking);
    expect(asked.output).toContain('STARLING_MESH_MISMATCH');
    expect(asked.output).toMatch(/starling up --knock .* --yes/);
    // Nobody was bothered for a node that stays where it is.
    expect((await builtin<KnockListResult>(lab, 'knock_list')).knocks).toEqual([]);

    const starting = world.start('carl', { args: [...knocking, '--yes'] });
    await eventually(
      'the operator hears who asks',
      () => builtin<KnockListResult>(lab, 'knock_list'),
      ({ knocks }) => knocks.map(({ name }) => name).join() === 'carl',
    );
    await ok(lab, 'members', 'admit', 'carl');
    const carl = await starting;
    expect(carl.up).toMatchObject({ peerId, mesh: { name: 'workstation-mesh' } });
    await sees(lab, [carl]);
    // It is a member now: the next start asks nobody.
    await carl.stop();
    const again = await world.start('carl');
    expect(again.up.mesh.name).toBe('workstation-mesh');
    await again.stop();

    // It leaves while it is stopped, so that nobody there hears of that, and knocks once more: the operator is asked
    // each time, though by all that the mesh knows it is a member, and has been let in a moment ago.
    for (const time of ['again', 'and again'].slice(0, upTo(1, 2))) {
      const left = await world.cli(['leave', '--yes', '--state', again.stateDir]);
      expect(left.stdout).toMatch(/nobody was told/);
      const returning = world.start('carl', { args: knocking });
      await eventually(
        `the operator hears ${time} who asks`,
        () => builtin<KnockListResult>(lab, 'knock_list'),
        ({ knocks }) => knocks.map(({ name }) => name).join() === 'carl',
      );
      expect(await ok(lab, 'members')).toMatch(/ASKS TO JOIN[^]*\ncarl +\w+( \w+){3} /);
      await ok(lab, 'members', 'admit', 'carl');
      const back = await returning;
      expect(back.up).toMatchObject({ peerId, mesh: { name: 'workstation-mesh' } });
      await sees(lab, [back]);
      await back.stop();
    }
    await lab.stop();
  },
);

longIt(
  'who was put out knows by whom, ends with 1, invites nobody, and is let in again by a new ticket',
  async () => {
    const carol = await world.start('carol', { args: ['--join', await ticketOf(alice)] });
    const dave = await world.start('dave', { args: ['--join', await ticketOf(carol)] });
    await Promise.all([sees(alice, [carol, dave]), sees(dave, [alice])]);
    await ok(alice, 'grant', 'create', 'carol', '--tool', 'files/*');
    await ok(carol, 'invite');
    // By a record, which comes a moment later.
    await eventually(
      'alice knows the open ticket of carol',
      () => builtin<MembersResult>(alice, 'members'),
      ({ tickets }) => tickets.filter(({ by }) => by === 'carol').length === 1,
    );
    const both = ['carol', 'dave'];

    // Dave is below carol, and may not put out who is above.
    const cannot = await attempt(dave, 'peers', 'remove', 'carol', '--yes');
    expect(cannot.code).toBe(1);
    expect(cannot.stderr).toMatch(/alice can, by: starling peers remove carol/);
    const remove = ['peers', 'remove', 'carol', '--reason', 'lost'];
    const unasked = await alice.run(remove);
    expect(unasked.code).not.toBe(0);
    expect(unasked.stderr).toMatch(/Put carol .* out of the mesh\? With it go those .*: dave\./);
    const out = await json<PeerRemoveResult>(alice, ...remove, '--yes');
    expect(out).toMatchObject({ peer: 'carol', members: ['dave'], connections: 1 });
    expect(out.since).toBe(undefined);
    const again = await ok(alice, ...remove);
    expect(again).toMatch(/carol \(….*\) was out of the mesh already, since 20.*, by alice/);
    expect([out.grants.length, out.tickets.length]).toEqual([1, 1]);

    expect(await Promise.all([ended(carol), ended(dave)])).toEqual([1, 1]);
    expect(carol.log()).toMatch(
      /this node was put out of the mesh 'alice-mesh' \(.*\) by alice \(….*\) at 20.*: lost/,
    );
    expect(dave.log()).toMatch(/carol \(….*\), by whom this node came in, was put out .* by alice/);
    for (const args of [['status'], ['invite'], ['peers']]) {
      const result = await attempt(carol, ...args);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/put out .* by alice .*STARLING_MEMBERSHIP_ENDED/);
    }
    expect((await carol.run(['doctor'])).stdout).toMatch(/node +this node was put out .* by alice/);
    const inVain = await refused('carol', []);
    expect(inVain.code).toBe(1);
    expect(inVain.output).toMatch(/put out .* by alice/);
    const shown = await ok(alice, 'members');
    for (const name of both) expect(shown).toMatch(new RegExp(`${name}.*put out`));

    const back = await world.start('carol', { args: ['--join', await ticketOf(alice)] });
    await sees(alice, [back]);
    expect((await attempt(back, 'status')).code).toBe(0);
    await back.stop();
  },
);

longIt(
  'a newcomer with the ticket of one that was put out is told so by the first real member',
  async () => {
    const ghost = await world.start('ghost', { args: ['--join', await ticketOf(alice)] });
    await sees(alice, [ghost]);
    await ghost.stop();
    await ok(alice, 'peers', 'remove', 'ghost', '--yes');
    const [address = ''] = alice.up.addresses;
    await alice.stop();
    // Nobody is there who could tell it.
    const haunting = await world.start('ghost');
    const guest = await world.start('guest', { args: ['--join', await ticketOf(haunting)] });
    const early = await world.start('early', { args: ['--join', await ticketOf(haunting)] });
    expect(guest.up.mesh).toEqual(alice.up.mesh);
    // So that it knows by what name the ghost goes.
    await Promise.all([sees(guest, [haunting]), sees(early, [haunting])]);
    await early.stop();
    // Nothing in a chain of memberships tells that it was cut elsewhere: before a member that has heard of that is met,
    // nobody can know. Where it was before, alice is found by the ghost, which passes on what it is told.
    alice = await world.start('alice', { args: ['--listen', address.replace(/\/p2p\/.*/, '')] });
    expect(await Promise.all([ended(haunting), ended(guest)])).toEqual([1, 1]);
    expect(haunting.log()).toMatch(/this node was put out .* by alice \(….*\)/);
    expect(guest.log()).toMatch(/ghost \(….*\), by whom this node came in, was put out .* by …/);
    // Whoever was away meanwhile is told by the first member that it calls.
    const told = await world
      .start('early', { args: ['--bootstrap', address] })
      .catch((error: unknown) => error);
    const said =
      told instanceof StartFailedError
        ? told.output
        : (await ended(told as NodeProcess), (told as NodeProcess).log());
    expect(said).toMatch(/ghost \(….*\), by whom this node came in, was put out .* by …/);
    const { members } = await builtin<MembersResult>(alice, 'members');
    for (const name of ['guest', 'early'])
      expect(members.map((member) => member.name)).not.toContain(name);
    // Its name is that of a member who is away: both sides are told, and nobody is taken for the other.
    const namesake = await world.start('namesake', { args: ['--join', await ticketOf(alice)] });
    await sees(alice, [namesake]);
    await namesake.stop();
    const args = ['--join', await ticketOf(alice)];
    const real = await world.start('guest', { config: { name: 'namesake' }, args });
    await sees(alice, [real]);
    await sees(real, [alice]);
    const several = await attempt(alice, 'grant', 'create', 'namesake', '--tool', 'files/*');
    expect(several.code).toBe(1);
    expect(several.stderr).toMatch(
      /2 peers go by the name 'namesake': namesake \(….*\), namesake-\w{4} \(….*\)/,
    );
    if (await hasTerminals()) {
      const words = ['peers', 'show', 'namesake', '--state', alice.stateDir];
      const terminal = onTerminal(words);
      await terminal.shows(/Which one is meant\? \[none\/1\/2\]/);
      terminal.type('2\r');
      expect(await terminal.ended()).toMatchObject({
        code: 0,
        screen: expect.stringContaining(real.up.peerId) as string,
      });
    }
    const { peer } = await eventually(
      'the guest knows what it is called there',
      () => json<PeerShowResult>(real, 'peers', 'show', 'alice'),
      (shown) => shown.peer.callsUs !== undefined,
    );
    await ok(alice, 'peers', 'rename', peer.callsUs ?? '', 'guest');
    expect((await peers(alice)).peers.map(({ alias }) => alias)).toContain('guest');

    // What the guest advises bears the name that it goes by at alice, so that it can be pasted there.
    await eventually(
      'the guest hears by what name it goes now',
      () => json<PeerShowResult>(real, 'peers', 'show', 'alice'),
      (shown) => shown.peer.callsUs === 'guest',
    );
    const refusal = await attempt(alice, 'call', 'guest__files__read', 'path=/x');
    const [, request = ''] = /(starling request '.*?') --because/.exec(refusal.stderr) ?? [];
    expect(request).toBe("starling request 'guest/files/read'");
  },
);
