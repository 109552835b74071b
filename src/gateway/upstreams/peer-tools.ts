/**
 * Calls of the node itself to tools of a peer's built-in server: by one session for each peer and for each one on
 * whose behalf it is, which stays open between calls and is closed when nobody has used it for a while.
 */
import { BUILTIN_SERVER, StarlingError, isObject } from '../../core/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';
import { chainOf } from '../../guard/index.ts';
import type { PeerView } from '../../membership/index.ts';
import { objectOf } from '../wire/era.ts';
import { OWN_CLIENT_INFO } from '../wire/client-handshake.ts';
import { RPC, errorBytes, errorFrom } from '../wire/frame.ts';
import { STRUCTURED_CAPABILITY } from '../wire/peer-protocol.ts';
import type { ChannelListener, ServerChannel } from '../channel-types.ts';
import type { ResponseFrame } from '../frame-types.ts';
import type { PeerToolCall } from '../types.ts';
import type { ChannelOpener } from './channel-opener.ts';

/** Sessions that are open at one time; the one that was used longest ago is closed for another. */
const SESSIONS_MAX = 128;
/** How long a session stays open that nobody uses. More = fewer handshakes (3 ms of CPU each), more open streams. */
const IDLE_MS = 60_000;
const REASON_MAX = 64;

/** What calls go by. */
export interface PeerToolsComponents {
  readonly channels: Pick<ChannelOpener, 'open'>;
  readonly clock: Clock;
}

/** Calls tools of peers' built-in servers. */
export interface PeerTools {
  /** The structured content of the answer. @throws what the peer answers, STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  call(peer: PeerView, call: PeerToolCall): Promise<JsonObject>;
  /** Closes all sessions. */
  stop(): void;
}

interface PeerSession {
  readonly channel: Promise<ServerChannel>;
  calls: number;
  cancelIdle: () => void;
}

const CAPABILITIES = { experimental: { [STRUCTURED_CAPABILITY]: {} } };
const NOBODY: ChannelListener = {
  notification: () => undefined,
  request: (frame, answer) =>
    answer(
      errorBytes(frame.id, {
        code: RPC.methodNotFound,
        message: `this client does not serve ${frame.method}`,
      }),
    ),
};

/** Makes the calls of one node. */
export function createPeerTools(components: PeerToolsComponents): PeerTools {
  return new NodePeerTools(components);
}

class NodePeerTools implements PeerTools {
  readonly #components: PeerToolsComponents;
  /** By peer and caller; the one that was used longest ago first. */
  readonly #sessions = new Map<string, PeerSession>();

  constructor(components: PeerToolsComponents) {
    this.#components = components;
  }

  async call(
    peer: PeerView,
    { tool, args, principal, timeoutMs }: PeerToolCall,
  ): Promise<JsonObject> {
    const key = [peer.peerId, ...chainOf(principal)].join(' ');
    const session = this.#sessions.get(key) ?? this.#open(key, peer, principal);
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    session.cancelIdle();
    session.calls += 1;
    try {
      const channel = await session.channel;
      const params = { name: tool, arguments: args };
      return contentOf(await channel.request('tools/call', params, { timeoutMs }), peer);
    } finally {
      session.calls -= 1;
      if (session.calls === 0 && this.#sessions.get(key) === session) {
        session.cancelIdle = this.#components.clock.schedule(IDLE_MS, () => this.#close(key));
      }
    }
  }

  stop(): void {
    for (const key of this.#sessions.keys()) this.#close(key);
  }

  #open(key: string, peer: PeerView, principal: PeerToolCall['principal']): PeerSession {
    this.#makeRoom();
    const opened = this.#components.channels.open(
      { peer, server: BUILTIN_SERVER },
      {
        principal,
        client: { capabilities: CAPABILITIES, clientInfo: OWN_CLIENT_INFO },
        listener: NOBODY,
      },
    );
    const channel = Promise.resolve(opened);
    const session = { channel, calls: 0, cancelIdle: () => undefined };
    const forget = (): void => {
      if (this.#sessions.get(key) === session) this.#sessions.delete(key);
      session.cancelIdle();
    };
    channel.then(({ ended }) => ended).then(forget, forget);
    return session;
  }

  #makeRoom(): void {
    if (this.#sessions.size < SESSIONS_MAX) return;
    const idle = [...this.#sessions].find(([, { calls }]) => calls === 0);
    if (idle !== undefined) return this.#close(idle[0]);
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${SESSIONS_MAX} sessions of this node at peers are in use`,
      { hint: 'wait until some of the calls have ended' },
    );
  }

  #close(key: string): void {
    const session = this.#sessions.get(key);
    this.#sessions.delete(key);
    session?.cancelIdle();
    session?.channel.then(
      (channel) => channel.close(),
      () => undefined,
    );
  }
}

function contentOf({ error, result }: ResponseFrame, peer: PeerView): JsonObject {
  if (error !== undefined) throw named(error);
  const content = objectOf(result?.['structuredContent']);
  if (isObject(result?.['structuredContent'])) return content;
  throw new StarlingError(
    'STARLING_PROTOCOL_VIOLATION',
    `peer ${peer.alias} answered without structured content`,
    { hint: 'update Starling there', data: { peer: peer.peerId } },
  );
}

/** The peer's error with what it says of the agent that it is about. */
function named(error: NonNullable<ResponseFrame['error']>): StarlingError {
  const known = errorFrom(error);
  const { agentId, reason } = objectOf(error.data);
  const short = (value: unknown): value is string =>
    typeof value === 'string' && value.length <= REASON_MAX && !value.includes(' ');
  const said = {
    ...(short(agentId) ? { agentId } : {}),
    ...(short(reason) ? { reason } : {}),
  };
  return new StarlingError(known.code, known.message, {
    ...(known.hint === undefined ? {} : { hint: known.hint }),
    data: { ...known.data, ...said },
  });
}
