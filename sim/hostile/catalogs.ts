/** What members serve to who lists them. */
import { randomBytes } from 'node:crypto';
import { attack } from './streams.ts';
import type { Attack } from './attack.ts';
import { openTo, pour } from './floods.ts';
import { MCP, initialize, line, serveRecords, serveSessions } from './sessions.ts';
import type { PeerStream } from '../../src/testing.ts';

const CHANGES = 'has its lists read without end';
/**
 * Changes that are told in one look at the sessions: as many as a peer can tell for ever without being kept
 * out. Who tells more is gone at once, and then nothing is measured.
 */
const CHANGE_EVERY_MS = 25;

/** Servers with `count` tools together, which are others each time. JSON. */
function catalogOf(count: number, description: string): string {
  const version = randomBytes(4).toString('hex');
  const tools = Array.from(
    { length: count },
    (_, at) =>
      `{"name":"tool_${at}","description":"${description}${version}","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}}`,
  );
  return `{"servers":[{"server":"many","capabilities":{"tools":{}},"serverInfo":{},"tools":[${tools.join(',')}],"resources":[],"templates":[],"prompts":[]}]}`;
}

/** Shows a list, ends the session, and has itself listed in the next one at once. */
function relisted(name: string, title: string, catalog: () => string): Attack {
  return attack(name, title, `${CHANGES}|offers more`, async (tools, member) => {
    let last = '';
    const served = {
      // Making a list costs more than reading it: each is shown a few times.
      opened: tools.act,
      catalog: (): string => {
        if (last === '' || Math.random() < 0.25) last = catalog();
        return last;
      },
      listed: (stream: PeerStream) => void stream.close(),
    };
    await serveSessions(tools, member, served, () => undefined);
  });
}

/** Tells of changes, as many as a peer can without being kept out, of a list that is another each time. */
const changes = attack(
  'list-changes',
  'news of a changed list without end',
  CHANGES,
  async (tools, member) => {
    let toldAt = 0;
    const served = { catalog: () => catalogOf(3, 'Does ') };
    await serveSessions(tools, member, served, (open) => {
      if (Date.now() - toldAt < CHANGE_EVERY_MS) return;
      toldAt = Date.now();
      for (const stream of open) {
        tools.act();
        stream.write(line({ method: 'notifications/tools/list_changed' }));
      }
    });
  },
);

/** Says what nobody has asked for, as fast as it is read, in the session that the target has opened. */
const noise = attack(
  'session-noise',
  'news that mean nothing, answers that nobody waits for and lines that are no JSON, without end',
  'breaks the protocols|floods its sessions',
  async (tools, member) => {
    const lines = Buffer.concat([
      line({ method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(200) } }),
      line({ id: 4e9, result: { text: 'x'.repeat(200) } }),
      line({ method: 'notifications/progress', params: { progressToken: 4e9, progress: 1 } }),
      line({ id: 'q', method: 'sampling/createMessage', params: {} }),
    ]);
    const many = Buffer.concat(Array.from({ length: 50 }, () => lines));
    const junk = Buffer.from('{"jsonrpc":\n'.repeat(3));
    await serveSessions(tools, member, {}, (open) => {
      for (const stream of open) {
        if (Math.random() < 0.02) stream.write(junk);
        // Each is an act, also the one that fills the stream; and as much as is read, not as much as fits at once.
        do tools.act();
        while (stream.write(many));
      }
    });
  },
);

/** The same in sessions of the member's own. */
const ownNoise = attack(
  'own-session-noise',
  'news that mean nothing and answers that nobody waits for, in sessions of its own, without end',
  'floods its sessions',
  async (tools, member) => {
    const { target, signal, act } = tools;
    serveRecords(member);
    const lines = Buffer.concat([
      line({ method: 'notifications/roots/list_changed' }),
      line({ method: 'notifications/cancelled', params: { requestId: 4e9 } }),
      line({ id: 4e9, result: {} }),
    ]);
    const many = Buffer.concat(Array.from({ length: 100 }, () => lines));
    while (!signal.aborted) {
      const stream = await openTo(member, target, MCP, signal);
      if (stream === undefined) continue;
      stream.write(line({ id: 1, method: 'initialize', params: initialize() }));
      await pour(stream, () => (act(), many), signal);
    }
  },
);

/** What members serve. */
export const catalogs: readonly Attack[] = [
  relisted('many-tools', 'a catalog of 40,000 tools, again and again in new sessions', () =>
    catalogOf(40_000, 'Does '),
  ),
  relisted('more-tools', 'a catalog of 100,000 tools, again and again in new sessions', () =>
    catalogOf(100_000, 'Does '),
  ),
  relisted('big-tools', 'a catalog of 100 tools of 100 kB, again and again in new sessions', () =>
    catalogOf(100, 'x'.repeat(100_000)),
  ),
  changes,
  noise,
  ownNoise,
];
