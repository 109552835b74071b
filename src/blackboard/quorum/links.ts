/**
 * Questions to the replicas at other nodes, and theirs to this one: two streams a peer and direction, with many
 * questions under way, closed when nobody asks any more. Whole requests have a stream of their own: what waits
 * there must not hold up the questions by which requests of others are done. A question that is not answered in time has no answer:
 * whoever asks must not take that for a no.
 */
import { StarlingError, messageOf, unawaited } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, Network, PeerStream } from '../../network/index.ts';
import { MESSAGE_BYTES_MAX, QUORUM_PROTOCOL, decodeReply, encodeAsk } from './format.ts';
import type { Ask, Cell, Reply } from './format.ts';
import { ServedQuestions } from './served-questions.ts';
import type { ServedQuestionsComponents } from './served-questions.ts';

/** What the links work with. */
export interface QuorumLinksComponents extends ServedQuestionsComponents {
  readonly network: Pick<Network, 'handle' | 'open' | 'report'>;
}

/** Streams to replicas. */
export interface QuorumLinks {
  /**
   * Asks a replica. Undefined when no answer came in time; `sent` says whether the question may have arrived.
   * Never rejects.
   */
  ask(
    peer: PeerId,
    cell: Cell,
    ask: Ask,
    timeoutMs: number,
  ): Promise<{ readonly reply?: Reply; readonly sent: boolean }>;
}

/** A stream on which nobody asked for so long is closed. */
const IDLE_MS = 60_000;
/** Questions to one peer without an answer, on one stream. */
const PENDING_MAX = 4096;

/** Makes the links; they end when the scope closes. */
export function createQuorumLinks(components: QuorumLinksComponents): QuorumLinks {
  return new StreamLinks(components);
}

interface Pending {
  resolve(reply: Reply | undefined): void;
}

interface Link {
  readonly stream: MessageStream;
  readonly pending: Map<number, Pending>;
  /** Nobody gets it any more: another one is opened. */
  readonly forget: () => void;
  cancelIdle: () => void;
  hasEnded: boolean;
}

class StreamLinks implements QuorumLinks {
  readonly #components: QuorumLinksComponents;
  readonly #links = new Map<string, Promise<Link | undefined>>();
  readonly #served: ServedQuestions;
  #asked = 0;

  constructor(components: QuorumLinksComponents) {
    this.#components = components;
    const { network, scope } = components;
    this.#served = new ServedQuestions(components);
    scope.add(network.handle(QUORUM_PROTOCOL, (stream) => this.#served.serve(stream)));
    scope.add(() => this.#stop());
  }

  async ask(
    peer: PeerId,
    cell: Cell,
    ask: Ask,
    timeoutMs: number,
  ): Promise<{ readonly reply?: Reply; readonly sent: boolean }> {
    const { clock } = this.#components;
    const name = `${ask.t === 'do' ? 'requests' : 'questions'} ${peer}`;
    const link = await this.#linkTo(name, peer, timeoutMs);
    if (link === undefined || link.hasEnded || link.pending.size >= PENDING_MAX) {
      return { sent: false };
    }
    this.#asked += 1;
    const i = this.#asked;
    const reply = await new Promise<Reply | undefined>((resolve) => {
      const cancel = clock.schedule(timeoutMs, () => link.pending.get(i)?.resolve(undefined));
      link.pending.set(i, {
        resolve: (answer) => {
          cancel();
          link.pending.delete(i);
          resolve(answer);
        },
      });
      link.stream.send(encodeAsk({ i, ask, ...cell }));
    });
    this.#idle(link);
    return reply === undefined ? { sent: true } : { reply, sent: true };
  }

  #linkTo(name: string, peer: PeerId, timeoutMs: number): Promise<Link | undefined> {
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const forget = (): void => {
      if (this.#links.get(name) === opening) this.#links.delete(name);
    };
    const opening = this.#open(peer, timeoutMs, forget);
    this.#links.set(name, opening);
    const looked = opening.then((link) => {
      if (link === undefined) forget();
      return undefined;
    });
    unawaited(looked, this.#components.logger, 'a link to a replica was not opened', { peer });
    return opening;
  }

  /** Undefined when there is no way to the peer now. */
  async #open(peer: PeerId, timeoutMs: number, forget: () => void): Promise<Link | undefined> {
    const { clock, network, logger, scope } = this.#components;
    if (scope.closed) return undefined;
    const opening = new AbortController();
    const giveUp = (): void =>
      opening.abort(new StarlingError('STARLING_TIMEOUT', `${peer} does not open a stream`));
    const cancel = clock.schedule(timeoutMs, giveUp);
    scope.signal.addEventListener('abort', giveUp, { once: true });
    try {
      const stream = await network.open(peer, QUORUM_PROTOCOL, { signal: opening.signal });
      if (!scope.closed) return this.#listen(stream, forget);
      stream.abort(new StarlingError('STARLING_STOPPED', 'this node is stopping'));
      return undefined;
    } catch (error) {
      logger.debug({ peer, error: messageOf(error) }, 'replica of a strong board not reached');
      return undefined;
    } finally {
      cancel();
      scope.signal.removeEventListener('abort', giveUp);
    }
  }

  #listen(peerStream: PeerStream, forget: () => void): Link {
    const { peer } = peerStream;
    const stream = createMessageStream(peerStream, { maxBytes: MESSAGE_BYTES_MAX });
    const link: Link = {
      stream,
      pending: new Map(),
      forget,
      cancelIdle: () => undefined,
      hasEnded: false,
    };
    stream.onMessage((bytes) => {
      const message = decodeReply(bytes);
      if (message !== undefined) link.pending.get(message.i)?.resolve(message.reply);
      else {
        this.#components.network.report(peer, 'malformed');
        stream.abort(
          new StarlingError('STARLING_PROTOCOL_VIOLATION', `${peer} sent what is no answer`),
        );
      }
    });
    stream.onEnd(() => {
      link.hasEnded = true;
      link.cancelIdle();
      link.forget();
      for (const pending of link.pending.values()) pending.resolve(undefined);
    });
    return link;
  }

  #idle(link: Link): void {
    link.cancelIdle();
    if (link.pending.size > 0 || link.hasEnded) return;
    link.cancelIdle = this.#components.clock.schedule(IDLE_MS, () => {
      if (link.pending.size > 0) return;
      link.forget();
      const { peer } = link.stream;
      unawaited(link.stream.close(), this.#components.logger, 'an idle link did not close', {
        peer,
      });
    });
  }

  #stop(): void {
    const stopped = new StarlingError('STARLING_STOPPED', 'this node is stopping');
    for (const opening of this.#links.values()) {
      const ended = opening.then((link) => link?.stream.abort(stopped));
      unawaited(ended, this.#components.logger, 'a link to a replica did not end');
    }
    this.#served.stop(stopped);
    this.#links.clear();
  }
}
