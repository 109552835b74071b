/** Peers as upstreams: an MCP session of ours on a stream to the peer that owns the tools. */
import { StarlingError, createLineDecoder, withDeadline, unawaited } from '../../core/index.ts';
import type { Clock, JsonObject, Logger } from '../../core/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import { namePeer } from '../../membership/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import { ON_BEHALF_OF_META } from '../clearance/on-behalf-of.ts';
import { RPC, errorBytes } from '../wire/frame.ts';
import { initialize } from '../wire/client-handshake.ts';
import { createChannel } from '../wire/channel.ts';
import { ownIdAtEdge } from '../wire/edge-id.ts';
import type { ChannelCore } from '../wire/channel.ts';
import type { PeerAllowances } from '../wire/peers/peer-allowances.ts';
import { WAITING_BYTES_MAX, createPeerWriter } from '../wire/peers/peer-writer.ts';
import type { PeerWriter } from '../wire/peers/peer-writer.ts';
import {
  ASKS_ALL_META,
  GRANTS_META,
  GRANTS_NOTIFICATION,
  MCP_PROTOCOL,
  SERVER_META,
} from '../wire/peers/peer-protocol.ts';
import type {
  ChannelCall,
  ChannelListener,
  ClientFacts,
  RelayedCall,
  ServerChannel,
} from '../channel-types.ts';
import type { ResponseFrame } from '../frame-types.ts';
import { createGivenGrants } from './given-grants.ts';
import type { GivenGrants } from './given-grants.ts';

const OPEN_TIMEOUT_MS = 10_000;
/** A session is left unread for no longer than this at once. */
const HOLD_MAX_MS = 10_000;

/** Where streams, allowances and grants of this node come from. */
export interface PeerChannelComponents {
  readonly network: Pick<Network, 'open' | 'report'>;
  readonly allowances: PeerAllowances;
  readonly membership: Pick<Membership, 'inStep'>;
  readonly grants: GrantBook;
  /** Called when grants that we received have changed: open sessions present the new ones. */
  readonly presenters: Set<() => void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Bounds of a channel to a peer. */
export interface PeerChannelInit {
  readonly messageBytes: number;
  readonly callTimeoutMs: number;
  readonly callTotalMs: number;
  readonly callsMax: number;
}

/** Which part of the peer, for which client, and who hears what it says by itself. */
export interface PeerChannelNeeds {
  readonly notification: ChannelListener['notification'];
  readonly request?: ChannelListener['request'];
  /** One server of it; absent for the catalog of all. */
  readonly server?: string;
  readonly client?: ClientFacts;
  /** Says on whose behalf the session is; absent where it is for the node itself. */
  readonly certificate?: string | undefined;
  /** Whoever it is for works for others: the peer must ask for the rights of those, too. */
  readonly asksAll?: boolean;
}

/** Nobody stands behind the node's own sessions. */
const refuse: ChannelListener['request'] = (frame, answer) =>
  answer(
    errorBytes(frame.id, {
      code: RPC.methodNotFound,
      message: `this client does not serve ${frame.method}`,
    }),
  );

/** Opens a session at `peer`. @throws STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT, … */
export async function openPeerChannel(
  components: PeerChannelComponents,
  init: PeerChannelInit,
  peer: PeerView,
  needs: PeerChannelNeeds,
): Promise<ServerChannel> {
  const stream = await openStream(components, peer).catch((error: unknown) => {
    throw namePeer(error, peer);
  });
  const channel = new PeerChannel(stream, peer, components, init, needs);
  try {
    await channel.initialize();
  } catch (error) {
    stream.abort(new Error('handshake failed'));
    throw error;
  }
  return channel;
}

/** A stream to the peer, once we know of all revocations that the peer knew of when it connected. */
async function openStream(
  { network, membership, clock }: PeerChannelComponents,
  { peerId }: PeerView,
): Promise<PeerStream> {
  const stream = await withDeadline(clock, OPEN_TIMEOUT_MS, (signal) =>
    network.open(peerId, MCP_PROTOCOL, { signal }),
  );
  try {
    await membership.inStep(peerId);
  } catch (error) {
    stream.abort(new Error('not in step'));
    throw error;
  }
  return stream;
}

/** One session at a peer, for one client of ours or for the node itself. */
class PeerChannel implements ServerChannel {
  readonly ended: Promise<StarlingError>;
  readonly #stream: PeerStream;
  readonly #peer: PeerView;
  readonly #components: PeerChannelComponents;
  readonly #needs: PeerChannelNeeds;
  readonly #channel: ChannelCore;
  readonly #given: GivenGrants;
  /** Grants that the peer has been shown. */
  #presented: ReadonlySet<string>;
  /** There are new grants that the peer read too slowly to be shown. */
  #mustPresent = false;

  constructor(
    stream: PeerStream,
    peer: PeerView,
    components: PeerChannelComponents,
    init: PeerChannelInit,
    needs: PeerChannelNeeds,
  ) {
    this.#stream = stream;
    this.#peer = peer;
    this.#components = components;
    this.#needs = needs;
    const writer = createPeerWriter(stream, components.logger);
    writer.onBlocked((isBlocked) => {
      if (!isBlocked) this.#presentOwed();
    });
    const hold = createHold(stream, components.clock);
    this.#given = createGivenGrants(components, { stream, hold });
    this.#channel = channelOver(
      stream,
      writer,
      peer,
      components,
      { ...init, hold },
      {
        notification: (frame, related) => this.#notified(frame, related),
        request: needs.request ?? refuse,
      },
    );
    this.#presented = new Set(components.grants.toPresent(peer.did));
    components.presenters.add(this.#presentNew);
    this.ended = new Promise((resolve) => {
      stream.onEnd(() => resolve(this.#end()));
    });
  }

  /** The handshake of MCP, with our grants. @throws STARLING_TIMEOUT, STARLING_PEER_UNREACHABLE, … */
  async initialize(): Promise<void> {
    const { client, server, certificate, asksAll = false } = this.#needs;
    const handshake = await initialize(this.#channel, `peer ${this.#peer.alias}`, {
      timeoutMs: OPEN_TIMEOUT_MS,
      ...(client === undefined ? {} : { client }),
      meta: {
        [GRANTS_META]: [...this.#presented],
        ...(server === undefined ? {} : { [SERVER_META]: server }),
        ...(certificate === undefined ? {} : { [ON_BEHALF_OF_META]: certificate }),
      },
    });
    if (asksAll && handshake.meta[ASKS_ALL_META] !== true) throw asksForNoOthers(this.#peer);
    this.#given.take(handshake.meta[GRANTS_META], undefined);
  }

  relay(call: RelayedCall): ChannelCall {
    // The call may stand on a grant that the peer does not know yet.
    this.#presentOwed();
    return this.#channel.relay(call);
  }

  request(...question: Parameters<ServerChannel['request']>): Promise<ResponseFrame> {
    return this.#channel.request(...question);
  }

  notify(method: string, params: JsonObject): void {
    this.#channel.notify(method, params);
  }

  close(): void {
    const { logger } = this.#components;
    unawaited(this.#stream.close(), logger, 'a stream did not close', { peer: this.#peer.alias });
  }

  #notified(...[frame, related]: Parameters<ChannelListener['notification']>): void {
    if (frame.method === GRANTS_NOTIFICATION) {
      this.#given.take(frame.params['grants'], frame.params['revocations']);
    } else this.#needs.notification(frame, related);
  }

  /** Shows the peer all our grants again, when there are new ones among them. */
  readonly #presentNew = (): void => {
    const now = this.#components.grants.toPresent(this.#peer.did);
    const isNew = now.some((jws) => !this.#presented.has(jws));
    this.#mustPresent = isNew && !this.#channel.notify(GRANTS_NOTIFICATION, { grants: now });
    if (!this.#mustPresent) this.#presented = new Set(now);
  };

  /** Tries again what did not fit before. */
  #presentOwed(): void {
    if (this.#mustPresent) this.#presentNew();
  }

  #end(): StarlingError {
    this.#components.presenters.delete(this.#presentNew);
    const error = new StarlingError(
      'STARLING_PEER_UNREACHABLE',
      `peer ${this.#peer.alias} went away during the call`,
      { hint: 'see who is there: starling peers', data: { peer: this.#peer.peerId } },
    );
    this.#channel.end(error);
    return error;
  }
}

function channelOver(
  stream: PeerStream,
  writer: PeerWriter,
  peer: PeerView,
  components: PeerChannelComponents,
  { hold, ...init }: PeerChannelInit & { readonly hold: (forMs: number) => void },
  listener: ChannelListener,
): ChannelCore {
  const channel = createChannel(
    {
      send(message) {
        if (writer.line(message)) return;
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `peer ${peer.alias} reads too slowly: ${WAITING_BYTES_MAX} bytes wait for it already`,
          { hint: 'send less at once', data: { peer: peer.peerId } },
        );
      },
      listener,
      invalid(_, error) {
        components.network.report(peer.peerId, 'malformed');
        stream.abort(error);
      },
      clock: components.clock,
      logger: components.logger,
    },
    { ...init, title: `peer ${peer.alias}`, kind: 'peer' },
  );
  let unasked = 0;
  const decoder = createLineDecoder(init.messageBytes, {
    line(bytes) {
      const waiting = channel.inFlight;
      channel.receive(bytes);
      if (channel.inFlight >= waiting) unasked += 1;
    },
    oversize(sizeBytes, head, tail) {
      const error = new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `peer ${peer.alias} sent a message of ${sizeBytes} bytes, over our limits.messageBytes of ${init.messageBytes}`,
        { data: { limit: 'limits.messageBytes', peer: peer.peerId } },
      );
      const id = ownIdAtEdge(head, tail);
      if (id === undefined) channel.failAll(error);
      else channel.fail(id, error);
    },
  });
  stream.onData((chunk) => {
    unasked = 0;
    decoder.push(chunk);
    stream.holds(decoder.keptBytes);
    hold(components.allowances.unasked(peer.peerId, unasked));
  });
  return channel;
}

/** Reads nothing of a stream for so many milliseconds; while it is held, more of that changes nothing. */
function createHold(stream: PeerStream, clock: Clock): (forMs: number) => void {
  let cancel: (() => void) | undefined;
  stream.onEnd(() => cancel?.());
  return (forMs) => {
    if (forMs === 0 || cancel !== undefined) return;
    stream.pause();
    cancel = clock.schedule(Math.min(HOLD_MAX_MS, forMs), () => {
      cancel = undefined;
      stream.resume();
    });
  };
}

/** It would give an agent what those may not have who have sent it. */
function asksForNoOthers({ alias, peerId }: PeerView): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    `peer ${alias} does not ask for the rights of those for whom an agent works: an earlier Starling runs there`,
    { hint: 'update Starling there', data: { peer: peerId } },
  );
}
