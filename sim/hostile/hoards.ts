/** What members have a node keep in memory: answers that are never read, and entries of its DHT. */
import { createHash, randomBytes } from 'node:crypto';
import type { PeerStream } from '../../src/testing.ts';
import { pause } from './attack.ts';
import type { Attack, AttackTools } from './attack.ts';
import { openTo, pour } from './floods.ts';
import type { Member } from './member.ts';
import { dhtMessage } from './pubsub.ts';
import { MCP, initialize, line, serveRecords } from './sessions.ts';
import { attack } from './streams.ts';

const AT_ONCE = 16;
const QUESTIONS = 500;
const SESSIONS = 500;

/** Opens streams without end, several at a time; each does its harm, and the newest `most` of them stay open. */
async function hoard(
  { target, signal }: AttackTools,
  member: Member,
  most: number,
  harm: (stream: PeerStream) => Promise<void> | void,
): Promise<void> {
  const one = async (): Promise<void> => {
    const open: PeerStream[] = [];
    while (!signal.aborted) {
      const stream = await openTo(member, target, MCP, signal);
      if (stream === undefined) continue;
      stream.onEnd(() => undefined);
      await harm(stream);
      open.push(stream);
      if (open.length > most / AT_ONCE) open.shift()?.abort(new Error('enough'));
    }
    for (const stream of open) stream.abort(new Error('enough'));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

const unread = attack(
  'unread-answers',
  `${SESSIONS} sessions that ask and never read the answers`,
  'opens streams without end|asks for more than it reads|asks for lists without end',
  async (tools, member) => {
    serveRecords(member);
    const questions = Buffer.concat(
      Array.from({ length: QUESTIONS }, (_, at) =>
        line({ id: at + 2, method: 'starling/catalog' }),
      ),
    );
    await hoard(tools, member, SESSIONS, (stream) => {
      stream.pause();
      stream.write(line({ id: 1, method: 'initialize', params: initialize() }));
      stream.write(line({ method: 'notifications/initialized' }));
      stream.write(questions);
      tools.act();
    });
  },
);

/** Of the ten that a message may have by default. */
const HALF_BYTES = 9 * 1024 * 1024;
const HALVES = 450;
/** After so long the next half is begun beside one that is not read on. */
const HELD_BACK_MS = 50;

/** `prelude` is what is said before the half. */
function halvesAfter(name: string, title: string, prelude: readonly Uint8Array[]): Attack {
  return attack(
    name,
    `${HALVES} sessions with half a message of 10 MiB in each${title}`,
    'breaks the protocols|begins messages that',
    async (tools, member) => {
      const { signal, act } = tools;
      serveRecords(member);
      const chunk = Buffer.alloc(64 * 1024, 'x');
      await hoard(tools, member, HALVES, async (stream) => {
        stream.onData(() => undefined);
        for (const message of prelude) stream.write(message);
        for (let sent = 0; sent < HALF_BYTES && !signal.aborted; sent += chunk.length) {
          act();
          if (await drainedAfter(stream, chunk, signal)) break;
        }
      });
    },
  );
}

const halves = halvesAfter('half-messages', '', []);
const halfRequests = halvesAfter('half-requests', ', after it has begun the session', [
  line({ id: 1, method: 'initialize', params: initialize() }),
  line({ method: 'notifications/initialized' }),
]);

/** Writes, and waits a moment for room; gives whether the stream has ended, or takes no more. */
async function drainedAfter(
  stream: PeerStream,
  chunk: Uint8Array,
  signal: AbortSignal,
): Promise<boolean> {
  if (stream.write(chunk)) return false;
  const drained = stream.drained().then(
    () => false,
    () => true,
  );
  return Promise.race([drained, pause(HELD_BACK_MS, signal).then(() => true)]);
}

const puts = attack(
  'dht-puts',
  'keys and providers for the DHT, made up without end',
  'floods ping or the DHT',
  async (tools, member) => {
    const { target, signal, act } = tools;
    const protocol = `/starling/${member.meshId}/kad/1.0.0`;
    while (!signal.aborted) {
      const stream = await openTo(member, target, protocol, signal);
      if (stream === undefined) continue;
      stream.onData(() => undefined);
      const next = (): Uint8Array => {
        act();
        const hash = createHash('sha256').update(randomBytes(16)).digest();
        return Math.random() < 0.5
          ? dhtMessage({ put: randomBytes(32) })
          : dhtMessage({ provide: hash, provider: member.publicKey });
      };
      await pour(stream, next, signal);
    }
  },
);

/** What members have a node keep. */
export const hoards: readonly Attack[] = [unread, halves, halfRequests, puts];
