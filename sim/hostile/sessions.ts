/** MCP between peers, by hand: what a member says in its sessions, and serves to who opens one at it. */
import { encode } from 'cborg';
import type { PeerStream } from '../../src/testing.ts';
import { pause } from './attack.ts';
import type { AttackTools } from './attack.ts';
import { heartbeat, isConnected } from './floods.ts';
import type { Member } from './member.ts';
import { prefixed } from './pubsub.ts';

/** The protocol of MCP between peers. */
export const MCP = '/starling/mcp/1';
const LOOK_MS = 5;
/** Soon enough after a connection was lost, and not so often that the heartbeats are the attack. */
const HEARTBEAT_MS = 250;

/** One message of JSON-RPC, as MCP between peers writes it. */
export function line(message: object): Uint8Array {
  return Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
}

/** What both ends say in their first message. */
export function initialize(): object {
  return {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'm', version: '1' },
  };
}

const SERVING = new WeakSet<Member>();

/** Serves the records of a member that has none: without them nobody opens a session at it, or serves one. */
export function serveRecords(member: Member): void {
  if (SERVING.has(member)) return;
  SERVING.add(member);
  member.network.handle('/starling/records/1', (stream) => {
    stream.onEnd(() => undefined);
    stream.onData(() => undefined);
    stream.write(prefixed(encode({ t: 'have', hashes: [] })));
    void stream.close();
  });
}

/** What a member answers to who opens a session at it. */
export interface Served {
  /** The answer to `starling/catalog`: bytes of JSON. Default: no servers. */
  readonly catalog?: () => string;
  /** The target has opened a session. */
  readonly opened?: () => void;
  /** A session is open, and its list was asked for. */
  readonly listed?: (stream: PeerStream) => void;
}

/**
 * Sessions that the target has opened at the member. They last longer than one attack, and the target opens none
 * beside one that is there: so they are kept for the next attack, which says what they answer from then on.
 */
class ServedSessions {
  readonly open = new Set<PeerStream>();
  served: Served = {};

  accept(stream: PeerStream): void {
    this.served.opened?.();
    let rest = '';
    this.open.add(stream);
    stream.onEnd(() => this.open.delete(stream));
    stream.onData((chunk) => {
      const lines = (rest + Buffer.from(chunk).toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) this.#answer(stream, text);
    });
  }

  #answer(stream: PeerStream, text: string): void {
    const { id, method } = JSON.parse(text) as { id?: number; method?: string };
    if (id === undefined || method === undefined) return;
    const serverInfo = { name: 'm', version: '1' };
    if (method === 'initialize') {
      stream.write(line({ id, result: { ...initialize(), serverInfo } }));
    } else if (method === 'starling/catalog') {
      const result = this.served.catalog?.() ?? '{"servers":[]}';
      stream.write(Buffer.from(`{"jsonrpc":"2.0","id":${id},"result":${result}}\n`));
      this.served.listed?.(stream);
    } else stream.write(line({ id, result: {} }));
  }
}

const SESSIONS = new WeakMap<Member, ServedSessions>();

function sessionsOf(member: Member): ServedSessions {
  const known = SESSIONS.get(member);
  if (known !== undefined) return known;
  const sessions = new ServedSessions();
  member.network.handle(MCP, (stream) => sessions.accept(stream));
  serveRecords(member);
  SESSIONS.set(member, sessions);
  return sessions;
}

/**
 * Serves `served` until the signal fires, and has the target open its session anew whenever that was
 * closed: by heartbeats, which wake whoever waits for a peer. `each` is given the open sessions again and again.
 */
export async function serveSessions(
  { target, signal }: AttackTools,
  member: Member,
  served: Served,
  each: (open: ReadonlySet<PeerStream>) => void,
): Promise<void> {
  const sessions = sessionsOf(member);
  sessions.served = served;
  // Of the attack before: what is measured begins with a session of its own.
  for (const stream of sessions.open) void stream.close();
  let heardAt = 0;
  while (!signal.aborted) {
    if (sessions.open.size === 0 && Date.now() - heardAt > HEARTBEAT_MS) {
      heardAt = Date.now();
      if (await isConnected(member, target, signal)) {
        await member.network.sendFrame(target.peerId as never, 'heartbeat', heartbeat());
      }
    }
    each(sessions.open);
    await pause(LOOK_MS, signal);
  }
  sessions.served = {};
}
