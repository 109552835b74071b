/**
 * The control streams of all admitted connections: who dialled opens one as soon as the connection is
 * admitted. A connection on which none is opened, or whose other end does not say there what it is, is ended: nobody
 * would notice its silence.
 */
import type { Connection } from '@libp2p/interface';
import {
  StarlingError,
  createBuckets,
  messageOf,
  settledWithin,
  unawaited,
  withDeadline,
} from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import {
  CONTROL_ALLOWANCE,
  CONTROL_BYTES,
  CONTROL_FINISH_MS,
  CONTROL_OPEN_TIMEOUT_MS,
  INTRODUCTION_TIMEOUT_MS,
  LINK_PROTOCOL,
  TICK_MS,
} from '../constants.ts';
import type { Conduct } from '../limits/conduct.ts';
import { peerOf } from '../peer-id.ts';
import type { PeerStream } from '../types.ts';
import { createControlStream } from './control-stream.ts';
import type { ControlStream } from './control-stream.ts';
import { INTRODUCTION, decodeIntroduction } from '../admission/introduction.ts';
import type { Introduction } from '../admission/introduction.ts';
import type { Links } from './links.ts';

/** What control streams work with. */
export interface ControlStreamsComponents {
  readonly links: Links;
  readonly conduct: Pick<Conduct, 'report'>;
  /** Opens a stream on a connection. */
  readonly open: (
    connection: Connection,
    protocol: string,
    signal: AbortSignal,
  ) => Promise<PeerStream>;
  /** Hears each frame that is no tick. */
  readonly heard: (kind: string, payload: Uint8Array, from: PeerId) => void;
  /** Hears frames about the link itself: true when it was such a frame. */
  readonly aboutLink: (connection: Connection, kind: string, payload: Uint8Array) => boolean;
  /** Hears that something came from `peer` on its control stream. */
  readonly sign: (peer: PeerId) => void;
  /** What this node says first on a connection, encoded. */
  readonly introduction: (connection: Connection) => Uint8Array;
  /** Told once of each connection: what the peer said first. */
  readonly introduced: (connection: Connection, introduction: Introduction) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Owns the timers. */
  readonly scope: Scope;
}

/** The control streams of a run. */
export interface ControlStreams {
  /** A connection is admitted. */
  admitted(connection: Connection): void;
  /** The other end of `connection` has opened its control stream. */
  accept(stream: PeerStream, connection: Connection): void;
  closed(connection: Connection): void;
  /** Sends a frame to `peer`; false when it has no control stream, or reads too slowly. Never rejects. */
  send(peer: PeerId, kind: string, payload: Uint8Array): Promise<boolean>;
  /** Sends a frame on this very connection; false when it has no control stream. */
  sendOn(connection: Connection, kind: string, payload?: Uint8Array): boolean;
  rttMs(peer: PeerId): number | undefined;
  /**
   * Sends nothing more, and resolves once all peers have read what was sent to them; see
   * {@link CONTROL_FINISH_MS}. What went out before on the same connections has come by then, too. Never rejects.
   */
  finish(): Promise<void>;
}

const NOTHING = new Uint8Array(0);

/** Makes them; they tick until the scope closes. */
export function createControlStreams(components: ControlStreamsComponents): ControlStreams {
  return new Streams(components);
}

interface Entry {
  stream: ControlStream | undefined;
  /** True once the stream is open, false once none is waited for any more. */
  readonly ready: Promise<boolean>;
  readonly settle: (isOpen: boolean) => void;
  isIntroduced: boolean;
  /** Waits for the introduction no longer. */
  forget: () => void;
}

class Streams implements ControlStreams {
  readonly #components: ControlStreamsComponents;
  readonly #entries = new Map<Connection, Entry>();
  readonly #frames: Buckets;
  readonly #bytes: Buckets;

  constructor(components: ControlStreamsComponents) {
    this.#components = components;
    const { clock, scope } = components;
    this.#frames = createBuckets(clock, CONTROL_ALLOWANCE);
    this.#bytes = createBuckets(clock, CONTROL_BYTES);
    scope.every(TICK_MS, () => this.#tick());
  }

  admitted(connection: Connection): void {
    const entry = createEntry();
    this.#entries.set(connection, entry);
    this.#awaitIntroduction(connection, entry);
    if (connection.direction === 'outbound') {
      const peer = peerOf(connection);
      const opened = this.#open(connection, entry);
      unawaited(opened, this.#components.logger, 'a control stream was not opened', { peer });
    } else {
      this.#components.scope.after(CONTROL_OPEN_TIMEOUT_MS, () => entry.settle(false));
    }
  }

  accept(stream: PeerStream, connection: Connection): void {
    const entry = this.#entries.get(connection);
    if (entry === undefined || connection.direction === 'outbound' || entry.stream !== undefined) {
      stream.abort(new Error('one control stream a connection, by who dialled'));
      return;
    }
    this.#use(stream, connection, entry);
  }

  closed(connection: Connection): void {
    const entry = this.#entries.get(connection);
    entry?.settle(false);
    entry?.forget();
    this.#entries.delete(connection);
  }

  async send(peer: PeerId, kind: string, payload: Uint8Array): Promise<boolean> {
    const stream = this.#openTo(peer) ?? (await this.#nextTo(peer));
    if (stream === undefined || !stream.send(kind, payload)) return false;
    await stream.flushed();
    return true;
  }

  sendOn(connection: Connection, kind: string, payload = NOTHING): boolean {
    return this.#entries.get(connection)?.stream?.send(kind, payload) ?? false;
  }

  async finish(): Promise<void> {
    const read = [...this.#entries.values()].map(async ({ stream }) => stream?.finish());
    await settledWithin(CONTROL_FINISH_MS, Promise.all(read), this.#components.clock);
  }

  rttMs(peer: PeerId): number | undefined {
    const connection = this.#components.links.best(peer);
    return connection === undefined ? undefined : this.#entries.get(connection)?.stream?.rttMs;
  }

  /** Of the best link that has one: a link that is younger may still open its own. */
  #openTo(peer: PeerId): ControlStream | undefined {
    return this.#entriesOf(peer).find(({ stream }) => stream !== undefined)?.stream;
  }

  /** The first one that opens on the links that are there; undefined when none does. */
  async #nextTo(peer: PeerId): Promise<ControlStream | undefined> {
    const openings = this.#entriesOf(peer).map(async (entry) => {
      if (!(await entry.ready)) throw new Error('no control stream');
    });
    await Promise.any(openings).catch(() => undefined);
    return this.#openTo(peer);
  }

  #entriesOf(peer: PeerId): readonly Entry[] {
    const { links } = this.#components;
    return links
      .of(peer)
      .map((connection) => this.#entries.get(connection))
      .filter((entry) => entry !== undefined);
  }

  async #open(connection: Connection, entry: Entry): Promise<void> {
    const { clock, logger, scope } = this.#components;
    try {
      const stream = await withDeadline(
        clock,
        CONTROL_OPEN_TIMEOUT_MS,
        (signal) => this.#components.open(connection, LINK_PROTOCOL, signal),
        scope.signal,
      );
      this.#use(stream, connection, entry);
    } catch (error) {
      logger.debug({ peer: peerOf(connection), error: messageOf(error) }, 'no control stream');
      entry.settle(false);
      if (!scope.closed) endUnheard(connection);
    }
  }

  #use(stream: PeerStream, connection: Connection, entry: Entry): void {
    const { aboutLink, conduct, heard, scope, sign } = this.#components;
    const peer = peerOf(connection);
    const control = createControlStream(
      stream,
      {
        frame: (kind, payload) => {
          if (kind === INTRODUCTION) this.#introduced(connection, entry, payload);
          else if (!aboutLink(connection, kind, payload)) heard(kind, payload, peer);
        },
        sign: () => sign(peer),
        pauseMs: (sizeBytes) => {
          const overMs = this.#frames.charge(peer, 1);
          if (overMs > 0) conduct.report(peer, 'control');
          return Math.max(overMs, this.#bytes.charge(peer, sizeBytes));
        },
        silent: (error) => connection.abort(error),
        after: (delayMs, resume) => {
          scope.after(delayMs, resume);
        },
      },
      { isDialler: connection.direction === 'outbound' },
    );
    entry.stream = control;
    control.onEnd(() => {
      if (entry.stream === control) entry.stream = undefined;
    });
    control.send(INTRODUCTION, this.#components.introduction(connection));
    entry.settle(true);
  }

  #introduced(connection: Connection, entry: Entry, payload: Uint8Array): void {
    const introduction = decodeIntroduction(payload);
    if (introduction === undefined || entry.isIntroduced) {
      this.#components.conduct.report(peerOf(connection), 'control');
      return;
    }
    entry.isIntroduced = true;
    entry.forget();
    this.#components.introduced(connection, introduction);
  }

  #awaitIntroduction(connection: Connection, entry: Entry): void {
    entry.forget = this.#components.scope.after(INTRODUCTION_TIMEOUT_MS, () => {
      if (!entry.isIntroduced && this.#entries.get(connection) === entry) endUnheard(connection);
    });
  }

  #tick(): void {
    for (const { stream } of this.#entries.values()) stream?.tick();
  }
}

/** Who is kept connected is dialled again; a connection without a control stream would stay for ever. */
function endUnheard(connection: Connection): void {
  if (connection.status !== 'open') return;
  const peer = peerOf(connection);
  const text = `${peer} has not said on a control stream what it is`;
  connection.abort(new StarlingError('STARLING_PEER_UNREACHABLE', text, { data: { peer } }));
}

function createEntry(): Entry {
  let settle: Entry['settle'] = () => undefined;
  const ready = new Promise<boolean>((resolve) => (settle = resolve));
  return { stream: undefined, ready, settle, isIntroduced: false, forget: () => undefined };
}
