/**
 * Calls of the node itself to tools of a peer's built-in server: by one session for each peer and for each one on
 * whose behalf it is, which stays open between calls and is closed when nobody has used it for a while. A call of
 * somebody else that the peer is to answer goes by such a session, too; the peer's answer is that one's as it comes.
 */
import { BUILTIN_SERVER, StarlingError, isObject, toStarlingError } from '../../core/index.ts';
import type { Clock, Json, JsonObject } from '../../core/index.ts';
import { chainOf } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { PeerView } from '../../membership/index.ts';
import { contentOf, ownResponse } from '../builtin/answers.ts';
import { objectOf } from '../wire/era.ts';
import { OWN_CLIENT_INFO } from '../wire/client-handshake.ts';
import { RPC, errorBytes, errorFrom } from '../wire/frame.ts';
import { STRUCTURED_CAPABILITY } from '../wire/peers/peer-protocol.ts';
import type { ChannelCall, ChannelListener, RelayedCall, ServerChannel } from '../channel-types.ts';
import type { ResponseFrame } from '../frame-types.ts';
import type { OnwardCall, PeerToolCall } from '../types.ts';
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
  /** Has the peer answer somebody's call. */
  relay(peer: PeerView, onward: OnwardCall): ChannelCall;
  /** Closes all sessions. */
  stop(): void;
}

interface PeerSession {
  readonly key: string;
  readonly opening: Promise<ServerChannel>;
  /** There once it is open. */
  channel: ServerChannel | undefined;
  calls: number;
  /** Which of all uses the last one was. */
  used: number;
  /** When its last call ended, ms since the epoch. */
  idleSince: number;
  /** There while somebody looks whether it is still in use: one look in a minute, not a timer for each call. */
  cancelLook: (() => void) | undefined;
}

/** What a session is for: structured content alone, or answers as clients get them. */
type Wanted = 'structured' | 'whole';

const CAPABILITIES: Readonly<Record<Wanted, JsonObject>> = {
  structured: { experimental: { [STRUCTURED_CAPABILITY]: {} } },
  // What an answer says crosses once, where an answer as clients get it has it three times.
  whole: { experimental: { [STRUCTURED_CAPABILITY]: { above: 0 } } },
};
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
  /** By peer and caller. */
  readonly #sessions = new Map<string, PeerSession>();
  #uses = 0;

  constructor(components: PeerToolsComponents) {
    this.#components = components;
  }

  async call(
    peer: PeerView,
    { tool, args, principal, timeoutMs }: PeerToolCall,
  ): Promise<JsonObject> {
    const session = this.#use('structured', peer, principal);
    try {
      const channel = session.channel ?? (await session.opening);
      const params = { name: tool, arguments: args };
      return structuredIn(await channel.request('tools/call', params, { timeoutMs }), peer);
    } finally {
      this.#leave(session);
    }
  }

  relay(peer: PeerView, onward: OnwardCall): ChannelCall {
    const { call, principal } = onward;
    let session: PeerSession;
    try {
      session = this.#use('whole', peer, principal);
    } catch (error) {
      call.failed(unreached(error, peer));
      return OVER;
    }
    let sent: ChannelCall | undefined;
    let isOver = false;
    const over = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#leave(session);
      return true;
    };
    const relayed = relayedBy(peer, onward, over);
    const failed = (error: unknown): void => relayed.failed(unreached(error, peer));
    const send = (channel: ServerChannel): void => {
      try {
        if (!isOver) sent = channel.relay(relayed);
      } catch (error) {
        failed(error);
      }
    };
    if (session.channel === undefined) session.opening.then(send, failed);
    else send(session.channel);
    return {
      cancel(reason) {
        if (over()) sent?.cancel(reason);
      },
    };
  }

  stop(): void {
    for (const session of this.#sessions.values()) this.#close(session);
  }

  #use(wanted: Wanted, peer: PeerView, principal: PeerToolCall['principal']): PeerSession {
    const key = `${wanted} ${peer.peerId} ${chainTextOf(principal)}`;
    const session = this.#sessions.get(key) ?? this.#open(wanted, { key, peer, principal });
    this.#uses += 1;
    session.used = this.#uses;
    session.calls += 1;
    return session;
  }

  #leave(session: PeerSession): void {
    session.calls -= 1;
    if (session.calls > 0 || this.#sessions.get(session.key) !== session) return;
    session.idleSince = this.#components.clock.now();
    if (session.cancelLook === undefined) this.#lookAfter(IDLE_MS, session);
  }

  /** Closes the session once nobody has used it for a while; while it has calls, the last of them begins the wait. */
  #lookAfter(waitMs: number, session: PeerSession): void {
    const { clock } = this.#components;
    session.cancelLook = clock.schedule(waitMs, () => {
      session.cancelLook = undefined;
      if (session.calls > 0) return;
      const leftMs = session.idleSince + IDLE_MS - clock.now();
      if (leftMs <= 0) this.#close(session);
      else this.#lookAfter(Math.min(leftMs, IDLE_MS), session);
    });
  }

  #open(
    wanted: Wanted,
    {
      key,
      peer,
      principal,
    }: { readonly key: string; readonly peer: PeerView } & Pick<PeerToolCall, 'principal'>,
  ): PeerSession {
    this.#makeRoom();
    const opened = this.#components.channels.open(
      { peer, server: BUILTIN_SERVER },
      {
        principal,
        client: { capabilities: CAPABILITIES[wanted], clientInfo: OWN_CLIENT_INFO },
        listener: NOBODY,
      },
    );
    const session: PeerSession = {
      key,
      opening: Promise.resolve(opened),
      channel: undefined,
      calls: 0,
      used: 0,
      idleSince: 0,
      cancelLook: undefined,
    };
    this.#sessions.set(key, session);
    const forget = (): void => {
      if (this.#sessions.get(key) === session) this.#sessions.delete(key);
      session.cancelLook?.();
    };
    session.opening
      .then((channel) => {
        session.channel = channel;
        return channel.ended;
      })
      .then(forget, forget);
    return session;
  }

  #makeRoom(): void {
    if (this.#sessions.size < SESSIONS_MAX) return;
    const [idle] = [...this.#sessions.values()]
      .filter(({ calls }) => calls === 0)
      .toSorted((one, other) => one.used - other.used);
    if (idle !== undefined) return this.#close(idle);
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${SESSIONS_MAX} sessions of this node at peers are in use`,
      { hint: 'wait until some of the calls have ended' },
    );
  }

  #close(session: PeerSession): void {
    if (this.#sessions.get(session.key) === session) this.#sessions.delete(session.key);
    session.cancelLook?.();
    session.opening.then(
      (channel) => channel.close(),
      () => undefined,
    );
  }
}

/** Of those who call again and again: each call asks for it. */
const chains = new WeakMap<Principal, string>();

function chainTextOf(principal: Principal): string {
  const known = chains.get(principal);
  if (known !== undefined) return known;
  const text = chainOf(principal).join(' ');
  chains.set(principal, text);
  return text;
}

const OVER: ChannelCall = { cancel: () => undefined };

function unreached(error: unknown, { alias }: PeerView): StarlingError {
  return toStarlingError(error, 'STARLING_PEER_UNREACHABLE', `peer ${alias}`);
}

/** The call as it goes to the peer; `over` is true the first time that the call ends. */
function relayedBy(
  peer: PeerView,
  { args, call, refused, timeoutMs, tool }: OnwardCall,
  over: () => boolean,
): RelayedCall {
  const { request, principal, session, edits } = call;
  const failed = (error: StarlingError): void => {
    if (over()) call.failed(error);
  };
  return {
    request,
    principal,
    ...(session === undefined ? {} : { session }),
    edits: Object.assign({}, edits, { name: tool, arguments: JSON.stringify(args) }),
    timeoutMs,
    response(frame) {
      if (!isEnd(frame)) return failed(unstructured(peer));
      if (!over()) return undefined;
      const code = objectOf(frame.error?.data)['code'];
      if (typeof code === 'string') refused(code);
      return call.response(wholeOf(frame));
    },
    progress: (frame) => call.progress(frame),
    notification: (frame) => call.notification(frame),
    failed,
  };
}

/** An error, or the result of a call that is over: nothing that the caller would have to be asked, or to come back for. */
function isEnd({ error, result = {} }: ResponseFrame): boolean {
  if (error !== undefined) return true;
  const { resultType = 'complete', structuredContent, task } = result;
  return resultType === 'complete' && task === undefined && isObject(structuredContent);
}

/** As clients get it, where the peer has sent the structured content alone. */
function wholeOf(frame: ResponseFrame): ResponseFrame {
  const { id, result = {} } = frame;
  const { content, resultType, structuredContent } = result;
  const isAlone = Array.isArray(content) && content.length === 0;
  if (id === null || !isAlone || !isObject(structuredContent)) return frame;
  const kind = resultType === undefined ? {} : { resultType };
  return ownResponse(id, kind, contentOf(structuredContent, { onTop: true }));
}

function structuredIn({ error, result }: ResponseFrame, peer: PeerView): JsonObject {
  if (error !== undefined) throw named(error);
  const content: Json | undefined = result?.['structuredContent'];
  if (isObject(content)) return content;
  throw unstructured(peer);
}

function unstructured(peer: PeerView): StarlingError {
  return new StarlingError(
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
