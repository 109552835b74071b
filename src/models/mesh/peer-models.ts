/**
 * The models that peers let this node use: known by the grants that this node holds, asked for over `/starling/models/1`
 * with no key and no port, read no faster than the caller reads.
 */
import { StarlingError, messageOf, withDeadline } from '../../core/index.ts';
import type { Clock, Did, JsonObject } from '../../core/index.ts';
import type { Certifier } from '../../gateway/index.ts';
import { allows, targetOf } from '../../grants/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import type { Principal } from '../../guard/index.ts';
import { namePeer } from '../../membership/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { Network, PeerStream } from '../../network/index.ts';
import { listIn, textIn } from '../json-reading.ts';
import type { PeerModels } from '../models.ts';
import { USE, modelResource, nameText, readModelName, unknownModel } from '../names.ts';
import type { ModelName } from '../names.ts';
import type { ListFailure, ListedModel, ModelAnswer, ReadCall, Usage } from '../types.ts';
import {
  FRAME,
  FRAME_BYTES_MAX,
  GRANTS_MAX,
  LIST_MAX,
  MODELS_PROTOCOL,
  broken,
  dataFrame,
  errorIn,
  headersIn,
  jsonFrame,
  jsonIn,
  usageIn,
} from './frames.ts';
import { createInbox } from './inbox.ts';
import type { Inbox } from './inbox.ts';

const OPEN_TIMEOUT_MS = 10_000;
const LIST_TIMEOUT_MS = 20_000;
/** A peer that says nothing for so long, not even that the call goes on, hangs. */
const SILENCE_MS = 60_000;
/** For how long the list of a peer is believed. */
const LIST_MS = 30_000;

/** What asking peers works with. */
export interface PeerModelsComponents {
  readonly network: Pick<Network, 'open' | 'report'>;
  readonly membership: Pick<Membership, 'byAlias' | 'find' | 'inStep'>;
  readonly grants: Pick<GrantBook, 'received' | 'state' | 'toPresent'>;
  /** Says for whom this node asks. */
  readonly certifier: Certifier;
  /** This node's name, for hints. */
  readonly self: string;
  readonly clock: Clock;
}

/** Makes them; `messageBytes` bounds an answer that is not streamed. */
export function createPeerModels(
  components: PeerModelsComponents,
  init: { readonly messageBytes: number },
): PeerModels {
  return new MeshModels(components, init.messageBytes);
}

class MeshModels implements PeerModels {
  readonly #components: PeerModelsComponents;
  readonly #messageBytes: number;
  readonly #listed = new Map<Did, { readonly at: number; readonly names: readonly string[] }>();

  constructor(components: PeerModelsComponents, messageBytes: number) {
    this.#components = components;
    this.#messageBytes = messageBytes;
  }

  async list(signal: AbortSignal): ReturnType<PeerModels['list']> {
    const peers = this.#owners();
    const lists = await Promise.allSettled(peers.map((peer) => this.#listOf(peer, signal)));
    signal.throwIfAborted();
    const failures: ListFailure[] = [];
    const names: { readonly peer: PeerView; readonly name: string }[] = [];
    for (const [at, peer] of peers.entries()) {
      const listed = lists[at];
      if (listed?.status === 'fulfilled') {
        names.push(...listed.value.map((name) => ({ peer, name })));
      } else failures.push({ from: `@${peer.alias}`, error: messageOf(listed?.reason) });
    }
    const counts = new Map<string, number>();
    for (const { name } of names) counts.set(name, (counts.get(name) ?? 0) + 1);
    const models = names.map(({ peer, name }): ListedModel => {
      const isOnly = counts.get(name) === 1;
      const long = `@${peer.alias}/${name}`;
      return { name: long, peer: peer.alias, ...(isOnly ? { shortName: name } : {}) };
    });
    return { models, failures };
  }

  find(name: ModelName): Required<ModelName> {
    if (name.peer !== undefined) {
      const peer = this.#components.membership.byAlias(name.peer);
      if (peer === undefined)
        throw unknownModel(nameText(name), `no peer is called '${name.peer}'`);
      return { ...name, peer: peer.alias };
    }
    const able = this.#owners(name);
    const alive = able.filter(({ state }) => state === 'alive');
    const [first, second] = alive.length === 0 ? able : alive;
    if (first === undefined) {
      throw unknownModel(
        nameText(name),
        `neither this node nor a peer that has granted it to ${this.#components.self} has a provider '${name.provider}'`,
      );
    }
    if (second !== undefined) {
      const both = [first, second].map(({ alias }) => `@${alias}/${nameText(name)}`);
      throw unknownModel(nameText(name), `it may be ${both.join(' or ')}: name one of them`);
    }
    return { ...name, peer: first.alias };
  }

  async ask(
    name: Required<ModelName>,
    { form, body, headers, isStream }: ReadCall,
    principal: Principal,
    { signal, used }: Parameters<PeerModels['ask']>[3],
  ): Promise<ModelAnswer> {
    const peer = this.#components.membership.byAlias(name.peer);
    if (peer === undefined) throw unknownModel(nameText(name), `no peer is called '${name.peer}'`);
    const model = nameText({ provider: name.provider, model: name.model });
    const behalf = this.#behalfOf(principal);
    const inbox = await this.#open(peer, signal, [
      jsonFrame(FRAME.ask, {
        op: 'ask',
        form,
        model,
        headers: { ...headers },
        grants: this.#grantsFor(peer),
        ...(behalf === undefined ? {} : { behalf }),
      }),
      dataFrame(FRAME.body, body),
    ]);
    try {
      const first = await this.#next(inbox, peer);
      if (first[0] !== FRAME.head) throw this.#oddFrame(peer, first);
      const head = jsonIn(first);
      if ((head['isStream'] === true) !== isStream) throw broken('the answer has another form');
      const max = isStream ? Infinity : this.#messageBytes;
      return {
        isStream,
        headers: headersIn(head['headers']),
        body: this.#bodyOf(inbox, peer, max, used),
      };
    } catch (error) {
      inbox.stop(new Error('the call failed'));
      throw this.#told(error, peer, signal);
    }
  }

  async *#bodyOf(
    inbox: Inbox,
    peer: PeerView,
    maxBytes: number,
    used: (usage: Usage) => void,
  ): AsyncGenerator<Uint8Array> {
    let sizeBytes = 0;
    try {
      for (;;) {
        const frame = await this.#next(inbox, peer);
        if (frame[0] === FRAME.end) {
          const usage = usageIn(jsonIn(frame)['usage']);
          if (usage !== undefined) used(usage);
          return;
        }
        if (frame[0] !== FRAME.data) throw this.#oddFrame(peer, frame);
        sizeBytes += frame.length - 1;
        if (sizeBytes > maxBytes) throw tooLarge(peer, maxBytes);
        yield frame.subarray(1);
      }
    } catch (error) {
      throw this.#told(error, peer, inbox.signal);
    } finally {
      inbox.stop(new Error('nobody wants the rest'));
    }
  }

  async #listOf(peer: PeerView, signal: AbortSignal): Promise<readonly string[]> {
    const now = this.#components.clock.now();
    const known = this.#listed.get(peer.did);
    if (known !== undefined && Math.abs(now - known.at) < LIST_MS) return known.names;
    const { clock } = this.#components;
    const ask = jsonFrame(FRAME.ask, { op: 'list', grants: this.#grantsFor(peer) });
    const list = async (until: AbortSignal): Promise<readonly string[]> => {
      const inbox = await this.#open(peer, until, [ask]);
      try {
        const frame = await this.#next(inbox, peer);
        if (frame[0] !== FRAME.end) throw this.#oddFrame(peer, frame);
        return listIn(jsonIn(frame)['models']).slice(0, LIST_MAX).map(textIn).filter(isName);
      } finally {
        inbox.stop(new Error('over'));
      }
    };
    const names = await withDeadline(clock, LIST_TIMEOUT_MS, list, signal);
    this.#listed.set(peer.did, { at: now, names });
    return names;
  }

  /** Opens the stream of one question and sends `frames`. @throws STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  async #open(peer: PeerView, signal: AbortSignal, frames: readonly Buffer[]): Promise<Inbox> {
    const { clock, membership, network } = this.#components;
    const opening = (until: AbortSignal): Promise<PeerStream> =>
      network.open(peer.peerId, MODELS_PROTOCOL, { signal: until });
    const stream = await withDeadline(clock, OPEN_TIMEOUT_MS, opening, signal).catch(
      (error: unknown) => {
        signal.throwIfAborted();
        throw unsent(namePeer(error, peer));
      },
    );
    const maxBytes = Math.max(this.#messageBytes + 1, FRAME_BYTES_MAX);
    const messages = createMessageStream(stream, { maxBytes });
    const inbox = createInbox(stream, messages, signal);
    try {
      await membership.inStep(peer.peerId);
      for (const frame of frames) if (!messages.send(frame)) await messages.drained();
      return inbox;
    } catch (error) {
      inbox.stop(new Error('the question could not be sent'));
      signal.throwIfAborted();
      throw error;
    }
  }

  /** The next frame that says something. @throws STARLING_TIMEOUT, STARLING_PEER_UNREACHABLE */
  async #next(inbox: Inbox, peer: PeerView): Promise<Uint8Array> {
    for (;;) {
      const cancel = this.#components.clock.schedule(SILENCE_MS, () => inbox.stop(hangs(peer)));
      const frame = await inbox.next().finally(cancel);
      if (frame === undefined) throw went(peer);
      if (frame[0] !== FRAME.alive) return frame;
    }
  }

  #oddFrame(peer: PeerView, frame: Uint8Array): StarlingError {
    if (frame[0] === FRAME.error) return errorIn(peer.alias, jsonIn(frame));
    this.#components.network.report(peer.peerId, 'malformed');
    return broken(`peer ${peer.alias} sent a frame that nobody waits for`);
  }

  #told(error: unknown, peer: PeerView, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    return error instanceof StarlingError ? error : went(peer, error);
  }

  #behalfOf(principal: Principal): string | undefined {
    return this.#components.certifier.certify(principal);
  }

  #grantsFor({ did }: PeerView): string[] {
    return this.#components.grants.toPresent(did).slice(-GRANTS_MAX);
  }

  /** Peers that have granted this node a model: that of `name`, or any. */
  #owners(name?: ModelName): readonly PeerView[] {
    const { grants, membership } = this.#components;
    const target = name === undefined ? undefined : targetOf(modelResource(name));
    const owners = new Set<Did>();
    for (const grant of grants.received()) {
      if (grants.state(grant) !== 'valid') continue;
      const isAbout = grant.claims.cap.some((capability) =>
        target === undefined
          ? capability.resource.startsWith('model:')
          : allows(capability, USE, target).allow,
      );
      if (isAbout) owners.add(grant.claims.sub);
    }
    return [...owners].map((did) => membership.find(did)).filter((peer) => peer !== undefined);
  }
}

function isName(text: string): boolean {
  try {
    return readModelName(text).peer === undefined;
  } catch (error) {
    if (error instanceof StarlingError) return false;
    throw error;
  }
}

/** Nothing has gone to the peer, so that nothing was used there. */
function unsent(error: unknown): unknown {
  if (!(error instanceof StarlingError)) return error;
  const { code, message, hint, data } = error;
  const said = hint === undefined ? {} : { hint };
  return new StarlingError(code, message, {
    ...said,
    data: { ...data, unsent: true },
    cause: error,
  });
}

function went({ alias, peerId }: PeerView, cause?: unknown): StarlingError {
  return new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `peer ${alias} went away while its model answered`,
    { hint: 'see who is there: starling peers', data: { peer: peerId }, cause },
  );
}

function hangs({ alias, peerId }: PeerView): StarlingError {
  return new StarlingError(
    'STARLING_TIMEOUT',
    `peer ${alias} said nothing for ${SILENCE_MS / 1000} s while its model was asked`,
    { hint: 'see who is there: starling peers', data: { peer: peerId } },
  );
}

function tooLarge({ alias }: PeerView, maxBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `peer ${alias} answered with more than ${maxBytes} bytes (limits.messageBytes)`,
    { data: { limit: 'limits.messageBytes' } satisfies JsonObject },
  );
}
