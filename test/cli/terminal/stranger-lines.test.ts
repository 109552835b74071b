/** What `starling up` says of other meshes, and of who asks to join. */
import { EventEmitter } from 'node:events';
import { afterEach, expect, it, vi } from 'vitest';
import { listText } from '../../../src/cli/commands/meshes-here.ts';
import { tellOfStrangers } from '../../../src/cli/terminal/lines/stranger-lines.ts';
import type { StarlingNode } from '../../../src/index.ts';

type Events = StarlingNode['events'];

const NEIGHBOUR = {
  mesh: 'did:key:z6Mk',
  meshName: 'lab',
  fingerprint: 'bada dodo fifa gugu',
  open: false,
  name: 'workstation',
  peerId: '12D3KooWPeer',
  host: '192.168.77.10',
  address: '/ip4/192.168.77.10/tcp/4040/p2p/12D3KooWPeer',
} as never;
const KNOCK = {
  name: 'laptop',
  peerId: '12D3KooWKnocker1',
  fingerprint: 'baba dada fafa gaga',
  address: '192.168.77.11',
  at: 1,
};

afterEach(() => vi.restoreAllMocks());

/** What is written when the events come, to both streams. */
function said(json: boolean, emit: (events: Events) => void, own?: string): string {
  let text = '';
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      text += String(chunk);
      return true;
    });
  }
  const events = new EventEmitter() as Events;
  tellOfStrangers(events, json, undefined, undefined, () => own);
  emit(events);
  return text;
}

it('another mesh is one line, with the command that asks it', () => {
  expect(said(false, (events) => events.emit('neighbour', NEIGHBOUR, true))).toBe(
    'another mesh is here: lab (bada dodo fifa gugu), workstation at 192.168.77.10 → ask to join: stop this node, then starling up --knock lab\n',
  );
});

it('a node that is in a mesh with others leaves that before it can ask', () => {
  expect(said(false, (events) => events.emit('neighbour', NEIGHBOUR, false))).toContain(
    ' → to leave this mesh for it: starling leave, then starling up --knock lab\n',
  );
});

it("a mesh that is called as this node's own is named by its four words in the command", () => {
  const text = said(false, (events) => events.emit('neighbour', NEIGHBOUR, true), 'lab');
  expect(text).toContain("starling up --knock 'bada dodo fifa gugu'\n");
  const own = { name: 'desk', mesh: 'lab', fingerprint: 'baba x y z' };
  expect(listText([NEIGHBOUR], own)).toContain("starling up --knock 'bada dodo fifa gugu'");
  const other = Object.assign({}, NEIGHBOUR, { fingerprint: 'gaga x y z' });
  const both = listText([NEIGHBOUR, other], undefined);
  expect(both).toContain("--knock 'bada dodo fifa gugu'");
  expect(both).toContain("--knock 'gaga x y z'");
});

it('of the meshes that are heard the one in which this node is can not be asked', () => {
  const home = Object.assign({}, NEIGHBOUR, { meshName: 'home', fingerprint: 'baba x y z' });
  const own = { name: 'desk', mesh: 'home', fingerprint: 'baba x y z' };
  const lab =
    'lab (bada dodo fifa gugu), workstation at 192.168.77.10 → ask to join: starling up --knock lab';
  expect(listText([home, NEIGHBOUR], own)).toBe(
    `${lab}\nhome (baba x y z): desk is in it, and where others are as well it leaves that first: starling leave`,
  );
  expect(listText([NEIGHBOUR], undefined)).toBe(lab);
  expect(listText([home], own)).toMatch(
    /^home \(baba x y z\): desk is in it\nno other mesh was heard on this network: .*starling invite$/,
  );
  expect(listText([], undefined)).toMatch(/^no mesh was heard on this network/);
});

it('an open mesh is joined without asking', () => {
  const open = Object.assign({}, NEIGHBOUR, { open: true });
  expect(said(false, (events) => events.emit('neighbour', open, true))).toContain(
    "join it: stop this node, then starling up --open lab --bootstrap '/ip4/192.168.77.10/tcp/4040/p2p/12D3KooWPeer'",
  );
});

it.each(['x; rm -rf ~', '$(evil)', '--help', 'a b'])(
  'a mesh that calls itself %s is named by its four words in the command',
  (meshName) => {
    for (const open of [true, false]) {
      const odd = Object.assign({}, NEIGHBOUR, { meshName, open });
      expect(said(false, (events) => events.emit('neighbour', odd, true))).toMatch(
        / ask to join: stop this node, then starling up --knock 'bada dodo fifa gugu'\n$/,
      );
    }
  },
);

it('who asks to join is told with name, words and address, and both answers', () => {
  expect(said(false, (events) => events.emit('knock', KNOCK as never))).toBe(
    'laptop (baba dada fafa gaga) at 192.168.77.11 asks to join this mesh; it shows the same four words\n' +
      '  → let it in: starling members admit laptop; or: starling members refuse laptop\n',
  );
});

it('a name that a shell would take apart is not put into the command', () => {
  const odd = { ...KNOCK, name: 'x; rm -rf ~\u001b[2J' };
  const text = said(false, (events) => events.emit('knock', odd as never));
  expect(text).toContain('starling members admit Knocker1;');
  expect(text).not.toContain('\u001b');
});

it('as JSON each is one event', () => {
  const text = said(true, (events) => {
    events.emit('neighbour', NEIGHBOUR, true);
    events.emit('knock', KNOCK as never);
  });
  expect(
    text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event),
  ).toEqual(['neighbour', 'knock']);
});
