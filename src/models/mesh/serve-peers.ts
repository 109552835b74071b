/**
 * Serves the models of this node to peers, over `/starling/models/1`: each by the grants that it holds, with this node's
 * keys. What a peer sends is hostile until it is read: bounded, counted, and cleared like every other call.
 */
import type { EventEmitter } from 'node:events';
import {
  StarlingError,
  createBuckets,
  messageOf,
  toStarlingError,
  unawaited,
} from '../../core/index.ts';
import type { Buckets, Clock, Did, Logger, PeerId } from '../../core/index.ts';
import { readOnBehalfOf } from '../../gateway/index.ts';
import type { GrantBook, GrantBookEvents } from '../../grants/index.ts';
import type { Principal } from '../../guard/index.ts';
import { didFromPeerId } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, Network, PeerStream } from '../../network/index.ts';
import { mayUse } from '../clearance.ts';
import type { ClearanceComponents } from '../clearance.ts';
import type { Models } from '../models.ts';
import { modelResource, readModelName } from '../names.ts';
import { readCall } from '../read-call.ts';
import { createCoalescedWriter } from './coalesced-writer.ts';
import {
  FRAME,
  LIST_MAX,
  MODELS_PROTOCOL,
  broken,
  errorJson,
  jsonFrame,
  dataFrame,
  readAsk,
  usageJson,
} from './frames.ts';
import type { AskHead } from './frames.ts';

/** How long a whole question may take to come. */
const ASK_TIMEOUT_MS = 30_000;
/** How often a peer is told that its call goes on. */
const ALIVE_MS = 15_000;
/** Calls of one peer under way. */
const CALLS_PER_PEER = 128;
/** Calls a peer may begin, and new grants that are verified for it. */
const CALLS: Parameters<typeof createBuckets>[1] = { burst: 200, everyMs: 20 };
const GRANTS: Parameters<typeof createBuckets>[1] = { burst: 512, everyMs: 50 };

/** What serving peers works with. */
export interface PeerServingComponents extends Pick<ClearanceComponents, 'guard'> {
  readonly models: Pick<Models, 'askOwn' | 'own'>;
  readonly network: Pick<Network, 'handle' | 'report'>;
  readonly membership: Pick<Membership, 'inStep' | 'peer'>;
  readonly grants: Pick<GrantBook, 'present' | 'verified'> & {
    readonly events: EventEmitter<GrantBookEvents>;
  };
  /** Who is meant by a link, of those for whom an agent of a peer works. */
  readonly callerOf: (link: string) => Principal | undefined;
  readonly self: { readonly did: Did };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Serves peers from now on until the returned function is called. `messageBytes` bounds a request. */
export function servePeers(
  components: PeerServingComponents,
  init: { readonly messageBytes: number },
): () => void {
  const serving = new PeerServing(components, init.messageBytes);
  return () => serving.stop();
}

/** A call under way. */
interface Running {
  readonly holder: Did;
  /** Ends the call where its right is gone. */
  recheck(): void;
  abort(error: Error): void;
}

class PeerServing {
  readonly #components: PeerServingComponents;
  readonly #messageBytes: number;
  readonly #calls: Buckets;
  readonly #verified: Buckets;
  readonly #running = new Map<PeerId, Set<Running>>();
  readonly #stopHandling: () => void;
  readonly #changed = (holder: Did): void => {
    for (const all of this.#running.values()) {
      for (const one of all) if (one.holder === holder) one.recheck();
    }
  };

  constructor(components: PeerServingComponents, messageBytes: number) {
    this.#components = components;
    this.#messageBytes = messageBytes;
    this.#calls = createBuckets(components.clock, CALLS);
    this.#verified = createBuckets(components.clock, GRANTS);
    this.#stopHandling = components.network.handle(MODELS_PROTOCOL, (stream) =>
      this.#accept(stream),
    );
    components.grants.events.on('change', this.#changed);
  }

  stop(): void {
    this.#stopHandling();
    this.#components.grants.events.off('change', this.#changed);
    const error = new StarlingError('STARLING_STOPPED', 'the node is stopping');
    for (const all of this.#running.values()) for (const one of all) one.abort(error);
  }

  #accept(stream: PeerStream): void {
    const { clock, logger, network } = this.#components;
    const { peer } = stream;
    const messages = createMessageStream(stream, { maxBytes: this.#messageBytes + 1 });
    const gone = new AbortController();
    const holder = didFromPeerId(peer);
    const running: Running & { resource?: string; principal?: Principal } = {
      holder,
      recheck: () => this.#recheck(running, gone),
      abort: (error) => gone.abort(error),
    };
    const siblings = this.#running.get(peer) ?? new Set<Running>();
    const cancelTimeout = clock.schedule(ASK_TIMEOUT_MS, () =>
      stream.abort(new StarlingError('STARLING_TIMEOUT', 'no question came')),
    );
    stream.onEnd((error) => {
      cancelTimeout();
      siblings.delete(running);
      if (siblings.size === 0) this.#running.delete(peer);
      gone.abort(error ?? new Error('the peer went'));
    });
    if (siblings.size >= CALLS_PER_PEER || !this.#calls.take(peer)) {
      cancelTimeout();
      return this.#fail(messages, tooMany());
    }
    this.#running.set(peer, siblings.add(running));
    let head: AskHead | undefined;
    let isBegun = false;
    let isRefused = false;
    messages.onMessage((message) => {
      // What had been sent before the peer was told counts for nothing.
      if (isRefused) return;
      try {
        if (isBegun) throw broken('nothing more may come');
        if (head === undefined) {
          if (message[0] !== FRAME.ask) throw broken('the first frame asks for nothing');
          head = readAsk(message);
          if (head.op === 'ask') return;
        } else if (message[0] !== FRAME.body) throw broken('the second frame is no body');
        isBegun = true;
        cancelTimeout();
        const body = Buffer.from(message.subarray(1));
        const call = { stream, messages, running, gone: gone.signal };
        unawaited(this.#answer(call, head, body), logger, 'a peer got no answer of a model', {
          peer,
        });
      } catch (error) {
        isRefused = true;
        if (isUnsupported(error)) return this.#fail(messages, error);
        network.report(peer, 'malformed');
        stream.abort(error instanceof Error ? error : new Error(messageOf(error)));
      }
    });
  }

  #recheck(
    running: { readonly resource?: string; readonly principal?: Principal },
    gone: AbortController,
  ): void {
    const { resource, principal } = running;
    if (resource === undefined || principal === undefined) return;
    if (mayUse(this.#components, principal, resource)) return;
    gone.abort(new StarlingError('STARLING_CALL_REFUSED', 'the right to use this model has ended'));
  }

  async #answer(
    call: {
      readonly stream: PeerStream;
      readonly messages: MessageStream;
      readonly running: Running & { resource?: string; principal?: Principal };
      readonly gone: AbortSignal;
    },
    head: AskHead,
    body: Buffer,
  ): Promise<void> {
    const { clock, logger } = this.#components;
    const { stream, messages, running, gone } = call;
    const stopTelling = this.#tellAlive(messages);
    const writer = createCoalescedWriter(clock, stream, (frame) => messages.send(frame));
    try {
      await this.#components.membership.inStep(stream.peer);
      const principal = this.#principalOf(stream, head);
      if (head.op === 'list') return await this.#list(messages, principal, gone);
      running.principal = principal;
      running.resource = modelResource(readModelName(head.model));
      const read = { ...readCall(head.form, body, head.headers), model: head.model };
      const made = await this.#components.models.askOwn(read, principal, gone);
      let hasHead = false;
      for await (const chunk of made.body) {
        if (!hasHead) {
          hasHead = true;
          const { isStream, headers } = made;
          messages.send(jsonFrame(FRAME.head, { isStream, headers: { ...headers } }));
        }
        await writer.push(chunk);
      }
      await writer.flush();
      const usage = made.usage?.();
      messages.send(jsonFrame(FRAME.end, usage === undefined ? {} : { usage: usageJson(usage) }));
      await messages.close();
    } catch (error) {
      await writer.flush().catch(() => undefined);
      const reason: unknown = gone.aborted ? gone.reason : error;
      logger.debug({ peer: stream.peer, error: messageOf(reason) }, 'a peer got no answer');
      this.#fail(messages, toStarlingError(reason, 'STARLING_MODEL_FAILED', 'the call failed'));
    } finally {
      stopTelling();
      writer.stop();
    }
  }

  /** So that the asker can tell a model that thinks from a node that hangs. */
  #tellAlive(messages: MessageStream): () => void {
    const { clock } = this.#components;
    let cancel: () => void;
    const tell = (): void => {
      messages.send(dataFrame(FRAME.alive, Buffer.alloc(0)));
      cancel = clock.schedule(ALIVE_MS, tell);
    };
    cancel = clock.schedule(ALIVE_MS, tell);
    return () => cancel();
  }

  async #list(messages: MessageStream, principal: Principal, signal: AbortSignal): Promise<void> {
    const { models } = await this.#components.models.own(principal, signal);
    const names = models.slice(0, LIST_MAX).map(({ name }) => name);
    messages.send(jsonFrame(FRAME.end, { models: names }));
    await messages.close();
  }

  /** Whose call it is: the peer's, with the grants that it shows, for whom it says. @throws STARLING_UNAUTHORIZED */
  #principalOf({ peer }: PeerStream, { grants: shown, behalf }: AskHead): Principal {
    const { callerOf, clock, grants, membership, self } = this.#components;
    const holder = didFromPeerId(peer);
    if (shown.length > 0 && this.#verified.waitMs(peer) === 0) {
      const before = grants.verified;
      grants.present(holder, shown);
      this.#verified.charge(peer, grants.verified - before);
    }
    const { alias = peer, newName, clockOffsetMs } = membership.peer(peer) ?? {};
    const known = { kind: 'peer', peerId: peer, did: holder, alias, newName } as const;
    const reading = { issuer: holder, self: self.did, nowMs: clock.now(), clockOffsetMs };
    const onBehalfOf = readOnBehalfOf(behalf, reading)?.onBehalfOf;
    const worksFor = (onBehalfOf?.worksFor ?? []).map(
      (link): Principal => callerOf(link) ?? { kind: 'client', name: link, scopes: [] },
    );
    return { ...known, onBehalfOf, ...(worksFor.length === 0 ? {} : { worksFor }) };
  }

  #fail(messages: MessageStream, error: StarlingError): void {
    messages.send(jsonFrame(FRAME.error, errorJson(error)));
    const { logger } = this.#components;
    unawaited(messages.close(), logger, 'a stream of a call of a model did not close');
  }
}

function isUnsupported(error: unknown): error is StarlingError {
  return error instanceof StarlingError && error.code === 'STARLING_MODEL_UNSUPPORTED';
}

function tooMany(): StarlingError {
  return new StarlingError('STARLING_RATE_LIMITED', 'this peer has too many calls of models', {
    hint: 'let some end first',
    data: { retryAfterMs: 1000 },
  });
}
