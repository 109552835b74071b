/** What `starling up` says of other nodes: one line for each that changes. */
import { EventEmitter } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { tellOfPeers } from '../../../src/cli/terminal/lines/peer-lines.ts';
import { StarlingError, systemClock } from '../../../src/core/index.ts';
import type { Clock, Did, PeerId } from '../../../src/core/index.ts';
import type { PeerView } from '../../../src/membership/index.ts';
import type { NodeEvents } from '../../../src/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

const ID = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' as PeerId;
const ADDRESS = `/ip4/192.0.2.7/tcp/4040/p2p/${ID}`;

const OWN = { name: 'tablet', peerId: '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf' };

const view = (state: PeerView['state'], alias = 'workstation'): PeerView => ({
  peerId: ID,
  did: 'did:key:z6MkBob' as Did,
  alias,
  state,
  lastHeartbeatAt: Date.now(),
});

const unreachable = (reason: string): Error =>
  new StarlingError('STARLING_PEER_UNREACHABLE', `can't reach ${ID}: ${reason}`, {
    data: { peer: ID, reason },
  });

interface Told {
  readonly events: EventEmitter<NodeEvents>;
  readonly lines: string[];
}

function told(peers: readonly PeerView[] = [], clock: Clock = systemClock): Told {
  const events = new EventEmitter<NodeEvents>();
  const lines: string[] = [];
  const status = (): never =>
    ({ ...OWN, upstreams: [{ kind: 'stdio', server: 'files' }] }) as never;
  const say = (line: string): void =>
    void lines.push(stripVTControlCharacters(line).replace(/^\d\d:\d\d:\d\d /, ''));
  tellOfPeers({ events, peers: () => peers, status }, { say, sayNow: say, clock });
  return { events, lines };
}

it('a peer that is dialled 534 times in vain is one line, by its place and one reason', () => {
  const { events, lines } = told();
  for (let times = 0; times < 534; times += 1) {
    const reason = `nothing listens at 127.0.0.1:4040; nothing listens at 192.0.2.7:${4000 + times}`;
    events.emit('dial:failed', ADDRESS, unreachable(reason));
  }
  expect(lines).toEqual([
    "! can't reach 192.0.2.7:4040: nothing listens at 192.0.2.7:4000; trying on, Ctrl-C to stop",
  ]);
});

it('a peer that is known goes by its name, and is told again once it was here', () => {
  const peers = [view('dead')];
  const { events, lines } = told(peers);
  const failed = (): unknown => events.emit('dial:failed', ID, unreachable('no answer in time'));
  failed();
  failed();
  events.emit('peer', view('alive'), view('dead'));
  peers[0] = view('suspect');
  failed();
  const line = "! can't reach workstation: no answer in time; trying on, Ctrl-C to stop";
  expect(lines).toEqual([line, 'workstation is here', line]);
});

it('of a peer that went away nothing more is told until it is back', () => {
  const { events, lines } = told([view('left')]);
  events.emit('peer', view('left'), view('alive'));
  events.emit('dial:failed', ID, unreachable('nothing listens there'));
  events.emit('peer', view('left'), view('left'));
  events.emit('peer', view('alive'), view('left'));
  expect(lines).toEqual(['workstation has stopped', 'workstation is here']);
});

it('that a peer is away is told once, also where it is in doubt again meanwhile', () => {
  const { events, lines } = told([view('dead')]);
  const dead = { ...view('dead'), lastHeartbeatAt: Date.now() - 9000 };
  events.emit('peer', dead, view('suspect'));
  events.emit('peer', view('suspect'), dead);
  events.emit('peer', dead, view('suspect'));
  expect(lines).toEqual(['workstation is away: silent for 9s']);
  events.emit('peer', view('alive'), dead);
  events.emit('peer', dead, view('suspect'));
  expect(lines).toEqual([
    'workstation is away: silent for 9s',
    'workstation is here',
    'workstation is away: silent for 9s',
  ]);
});

it('of a dial that the node itself has ended nothing is told', () => {
  const { events, lines } = told();
  events.emit('dial:failed', ADDRESS, unreachable('given up'));
  expect(lines).toEqual([]);
});

it('of somebody on the network who is no member, like a newcomer that was refused, nothing is told', () => {
  const { events, lines } = told();
  events.emit('dial:failed', ID, unreachable('no answer in time'));
  const line = "! can't reach a member (…vnc6iDEp): no answer in time; trying on, Ctrl-C to stop";
  // While it joins, that is who made its ticket.
  expect(lines).toEqual([line]);
  const later = told();
  later.events.emit('serving');
  later.events.emit('dial:failed', ID, unreachable(`the connection to ${ID} was closed`));
  expect(later.lines).toEqual([]);
});

it('of a peer that is here no address is told that leads nowhere', () => {
  const { events, lines } = told([view('alive')]);
  events.emit('dial:failed', ID, unreachable('nothing listens at 192.0.2.7:4040'));
  expect(lines).toEqual([]);
});

it('who is found on the network while it joins is told once, as the newcomer', () => {
  const { events, lines } = told();
  events.emit('serving');
  const early = new StarlingError('STARLING_JOIN_REFUSED', `${ID} is no member of this mesh yet`, {
    data: { noMemberYet: true },
  });
  events.emit('dial:failed', ADDRESS, early);
  expect(lines).toEqual([]);
});

it('a refusal is told in its own words', () => {
  const { events, lines } = told();
  const refused = new StarlingError('STARLING_JOIN_REFUSED', `${ID} refused us: full`, {
    data: { reason: 'full' },
  });
  // While a node starts, a no is the error that ends the start.
  events.emit('dial:failed', ADDRESS, refused);
  expect(lines).toEqual([]);
  events.emit('serving');
  events.emit('dial:failed', ADDRESS, refused);
  expect(lines).toEqual(['! …vnc6iDEp refused us: full']);
});

it('who joins is told who is there, in one line', () => {
  const { events, lines } = told();
  const mesh = {
    id: 'did:key:z6MkMesh' as never,
    name: 'lab',
    open: false,
    fingerprint: 'a b c d',
  };
  events.emit('joined', mesh);
  expect(lines).toEqual([]);
  events.emit('peer', view('alive'), undefined);
  events.emit('peer', view('alive', 'third'), undefined);
  expect(lines).toEqual(['✓ joined lab (a b c d): workstation is here', 'third is here']);
});

it('who lets somebody in is told by which ticket, and how to grant something', () => {
  const { events, lines } = told();
  const at = new Date();
  at.setHours(5, 29);
  events.emit('newcomer', view('alive', 'laptop'), at.getTime(), false, undefined, false);
  events.emit('peer', view('alive', 'laptop'), undefined);
  expect(lines).toEqual([
    "laptop joined, with the ticket of 05:29; it may use nothing yet: starling grant create laptop --tool 'files/*'",
  ]);
});

it('who comes back is told as one whose grants of before hold, where they do', () => {
  const { events, lines } = told();
  events.emit('newcomer', view('alive', 'laptop'), Date.now(), true, undefined, true);
  expect(lines[0]).toMatch(
    /^laptop joined, .*; its grants of before hold: starling grant list laptop$/,
  );
});

it('who has knocked is told as admitted by this node, not by a ticket that nobody has seen', () => {
  const { events, lines } = told();
  events.emit('newcomer', view('alive', 'laptop'), Date.now(), true, undefined, false);
  expect(lines[0]).toMatch(/^laptop joined, admitted by \S+; it may use nothing yet: /);
});

it('who came in at this node by the ticket of another member is told as admitted by that one', () => {
  const { events, lines } = told();
  const at = new Date();
  at.setHours(5, 29);
  events.emit('newcomer', view('alive', 'laptop'), at.getTime(), false, 'desk', false);
  expect(lines).toEqual([
    "laptop joined, admitted by desk at 05:29; it may use nothing yet: starling grant create laptop --tool 'files/*'",
  ]);
});

it('what several peers call this node is one line, which says whether its name is taken or only new', () => {
  const clock = createTestClock();
  const { events, lines } = told([], clock);
  const self = OWN.peerId.toLowerCase().slice(-4);
  const calls = (alias: string, callsUs: string): void => {
    const before = { ...view('alive', alias), peerId: alias as PeerId };
    events.emit('peer', { ...before, callsUs }, before);
  };
  for (const alias of ['desk', 'laptop', 'workstation']) calls(alias, `laptop-${self}`);
  calls('gpu', `tablet-${self}`);
  calls('phone', 'boss');
  expect(lines).toEqual([]);
  clock.advance(3000);
  expect(lines).toEqual([
    `you call yourself tablet now; at desk, laptop and workstation you stay laptop-${self}, until: on each, starling peers rename laptop-${self} tablet`,
    `you are called tablet-${self} at gpu: another has the name of this node there; another name: on gpu, starling peers rename tablet-${self} <name>`,
    'phone calls you boss',
  ]);
});

it('no peer forges a line', () => {
  const { events, lines } = told();
  events.emit('peer', view('alive', 'nice\u001B[2J\nERROR forged'), undefined);
  expect(lines.join('\n').split('\n')).toHaveLength(1);
  expect(lines[0]).not.toContain('\u001B');
});

it('who was put out, left the mesh or only stopped is told apart', () => {
  const { events, lines } = told();
  events.emit('peer', { ...view('left'), ended: { by: 'alice' } }, view('alive'));
  events.emit('peer', { ...view('left'), ended: { by: 'this node' } }, view('left'));
  events.emit('peer', { ...view('left'), ended: {} }, view('alive'));
  events.emit('peer', view('left'), view('alive'));
  expect(lines).toEqual([
    'workstation was put out by alice',
    'workstation was put out by this node',
    'workstation left the mesh',
    'workstation has stopped',
  ]);
});

it('a doubt is told once it has lasted a second, and not at all where a word comes before', () => {
  const clock = createTestClock();
  const { events, lines } = told([], clock);
  events.emit('peer', view('suspect'), view('alive'));
  clock.advance(900);
  events.emit('peer', { ...view('left'), ended: { by: 'alice' } }, view('suspect'));
  events.emit('peer', view('alive'), view('left'));
  events.emit('peer', view('suspect'), view('alive'));
  clock.advance(900);
  events.emit('peer', view('alive'), view('suspect'));
  clock.advance(5000);
  expect(lines).toEqual(['workstation was put out by alice', 'workstation is here']);
  events.emit('peer', view('suspect'), view('alive'));
  clock.advance(1000);
  events.emit('peer', view('alive'), view('suspect'));
  expect(lines.slice(2)).toEqual(['workstation does not answer; trying on', 'workstation is here']);
});
