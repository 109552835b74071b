/**
 * Fetches the catalog documents that count and are not here: part by part from one link after the other, the owner first
 * where it is linked, at a pace that others give.
 */
import { createBuckets } from '../../core/index.ts';
import type { Buckets, Clock, PeerId, Random, Scope } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { DOCUMENT_BYTES_MAX, hashOf } from './document.ts';
import type { DocumentName } from './document.ts';
import { PART_BYTES } from './document-messages.ts';
import type { DocumentMessage, SendDocumentMessage } from './document-messages.ts';

/** How long who is asked may take for one part. More = slow links are waited for; less = who keeps silent costs less. */
const ANSWER_MS = 5000;
/** Documents that are fetched at the same time, and of one link. */
const FETCHES_MAX = 8;
const FETCHES_PER_LINK = 2;
/** When all links were asked in vain they are asked again after so long, and ever less often while nothing comes. */
const RETRY_MS = 10_000;
const RETRY_MAX_MS = 300_000;
/** What this node asks of one peer: less than others give. */
const ASKED = { burst: 1024, everyMs: 5 } as const;
/** Parts that came too late, or that nobody asked for. */
const UNASKED = { burst: 32, everyMs: 1000 } as const;

/** What fetching works with. */
export interface DocumentFetchingComponents {
  readonly network: Pick<Network, 'connected' | 'report'>;
  readonly send: SendDocumentMessage;
  /** Bytes of the hash that `name` says, given by `from`. False when they are no document of `owner` all the same. */
  readonly fetched: (
    owner: PeerId,
    name: DocumentName,
    given: { readonly bytes: Uint8Array; readonly from: PeerId },
  ) => boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/** A document that is on its way. */
interface Fetch {
  readonly from: PeerId;
  readonly parts: Uint8Array[];
  at: number;
  size: number | undefined;
  cancel: () => void;
}

/** A document that counts and is not here. */
interface Wanted {
  readonly name: DocumentName;
  /** Links that were asked in vain, and those that have said that they have it. */
  readonly tried: Set<PeerId>;
  readonly offered: Set<PeerId>;
  fetch: Fetch | undefined;
}

/** See the file. Nothing is asked for before `start`. */
export class DocumentFetching {
  readonly #components: DocumentFetchingComponents;
  readonly #wanted = new Map<PeerId, Wanted>();
  /** How many documents each link is asked for. */
  readonly #fetches = new Map<PeerId, number>();
  readonly #asked: Buckets;
  readonly #unasked: Buckets;
  #retryMs = RETRY_MS;
  #isRetryDue = false;
  #scope: Scope | undefined;

  constructor(components: DocumentFetchingComponents) {
    this.#components = components;
    this.#asked = createBuckets(components.clock, ASKED);
    this.#unasked = createBuckets(components.clock, UNASKED);
  }

  /** `scope` owns the timers. */
  start(scope: Scope): void {
    this.#scope = scope;
  }

  stop(): void {
    this.#scope = undefined;
    this.#isRetryDue = false;
    this.#wanted.clear();
    this.#fetches.clear();
  }

  /** The hash of the document of `owner` that is wanted. */
  hashOf(owner: PeerId): string | undefined {
    return this.#wanted.get(owner)?.name.hash;
  }

  want(owner: PeerId, name: DocumentName): void {
    this.#wanted.set(owner, { name, tried: new Set(), offered: new Set(), fetch: undefined });
    this.#fetchSome();
  }

  /** No document of `owner` is wanted any more. */
  forget(owner: PeerId): void {
    const wanted = this.#wanted.get(owner);
    if (wanted === undefined) return;
    this.#endFetch(wanted);
    this.#wanted.delete(owner);
  }

  connected(peer: PeerId): void {
    for (const { tried } of this.#wanted.values()) tried.delete(peer);
    this.#fetchSome();
  }

  disconnected(peer: PeerId): void {
    for (const wanted of this.#wanted.values()) {
      wanted.offered.delete(peer);
      if (wanted.fetch?.from === peer) this.#inVain(wanted);
    }
    this.#fetchSome();
  }

  /** Whoever asks for a document has not got it. */
  isAskedFor({ of, hash }: Extract<DocumentMessage, { t: 'want' }>, by: PeerId): void {
    const wanted = this.#wanted.get(of);
    if (wanted?.name.hash === hash && wanted.fetch?.from !== by) wanted.tried.add(by);
  }

  /** True where `from` has not got what it was asked for. */
  heardOf(
    { t, of, hash }: Extract<DocumentMessage, { t: 'none' | 'have' }>,
    from: PeerId,
  ): boolean {
    const wanted = this.#wanted.get(of);
    if (wanted?.name.hash !== hash) return false;
    const isRefusal = t === 'none' && wanted.fetch?.from === from;
    if (isRefusal) this.#inVain(wanted);
    if (t === 'have') {
      wanted.tried.delete(from);
      wanted.offered.add(from);
    }
    this.#fetchSome();
    return isRefusal;
  }

  heardPart(part: Extract<DocumentMessage, { t: 'part' }>, from: PeerId): void {
    const { network } = this.#components;
    const wanted = this.#wanted.get(part.of);
    const fetch = wanted?.fetch;
    const isAsked = fetch?.from === from && fetch.at === part.at;
    if (wanted?.name.hash !== part.hash || fetch === undefined || !isAsked) {
      if (!this.#unasked.take(from)) network.report(from, 'catalogs');
      return;
    }
    this.#asked.charge(from, part.bytes.length / 1024);
    fetch.size ??= part.size;
    const isSound =
      part.size === fetch.size &&
      part.size <= DOCUMENT_BYTES_MAX &&
      part.bytes.length === Math.min(PART_BYTES, part.size - part.at) &&
      part.bytes.length > 0;
    if (!isSound) {
      network.report(from, 'malformed');
      this.#inVain(wanted);
      this.#fetchSome();
      return;
    }
    fetch.cancel();
    fetch.parts.push(part.bytes);
    fetch.at += part.bytes.length;
    if (fetch.at < fetch.size) this.#ask(part.of, wanted, fetch);
    else this.#fetched(part.of, wanted, fetch);
  }

  #fetched(owner: PeerId, wanted: Wanted, { from, parts }: Fetch): void {
    const { fetched, network } = this.#components;
    const bytes = Buffer.concat(parts);
    const { name } = wanted;
    if (hashOf(bytes) === name.hash) {
      this.forget(owner);
      if (fetched(owner, name, { bytes, from })) this.#retryMs = RETRY_MS;
    } else {
      network.report(from, 'forgeries');
      this.#inVain(wanted);
    }
    this.#fetchSome();
  }

  #fetchSome(): void {
    if (this.#scope === undefined) return;
    let count = 0;
    for (const { fetch } of this.#wanted.values()) if (fetch !== undefined) count += 1;
    for (const [owner, wanted] of this.#wanted) {
      if (count >= FETCHES_MAX) break;
      if (wanted.fetch !== undefined) continue;
      const from = this.#whomToAsk(owner, wanted);
      if (from === undefined) continue;
      count += 1;
      this.#fetches.set(from, (this.#fetches.get(from) ?? 0) + 1);
      wanted.fetch = { from, parts: [], at: 0, size: undefined, cancel: () => undefined };
      this.#ask(owner, wanted, wanted.fetch);
    }
    if (this.#wanted.size > 0) this.#retryLater(this.#scope);
  }

  /** The owner, else who says that it has the document, else any link that was not asked yet. */
  #whomToAsk(owner: PeerId, { tried, offered }: Wanted): PeerId | undefined {
    const { network, random } = this.#components;
    const free = network
      .connected()
      .filter((peer) => !tried.has(peer) && (this.#fetches.get(peer) ?? 0) < FETCHES_PER_LINK);
    if (free.includes(owner)) return owner;
    return free.find((peer) => offered.has(peer)) ?? free[Math.floor(random() * free.length)];
  }

  /** Asks for the next part, as soon as the pace allows. */
  #ask(owner: PeerId, wanted: Wanted, fetch: Fetch): void {
    const scope = this.#scope;
    if (scope === undefined) return;
    const waitMs = this.#asked.waitMs(fetch.from);
    if (waitMs > 0) {
      fetch.cancel = scope.after(waitMs, () => this.#ask(owner, wanted, fetch));
      return;
    }
    this.#asked.charge(fetch.from, 1);
    const failed = (): void => {
      if (wanted.fetch !== fetch) return;
      this.#inVain(wanted);
      this.#fetchSome();
    };
    fetch.cancel = scope.after(ANSWER_MS, failed);
    const { hash } = wanted.name;
    this.#components.send(fetch.from, { t: 'want', of: owner, hash, at: fetch.at }, failed);
  }

  /** Who was asked for a document gives none: somebody else is asked. */
  #inVain(wanted: Wanted): void {
    const from = this.#endFetch(wanted);
    if (from === undefined) return;
    wanted.tried.add(from);
    wanted.offered.delete(from);
  }

  #endFetch(wanted: Wanted): PeerId | undefined {
    const { fetch } = wanted;
    if (fetch === undefined) return undefined;
    fetch.cancel();
    wanted.fetch = undefined;
    const left = (this.#fetches.get(fetch.from) ?? 1) - 1;
    if (left > 0) this.#fetches.set(fetch.from, left);
    else this.#fetches.delete(fetch.from);
    return fetch.from;
  }

  #retryLater(scope: Scope): void {
    if (this.#isRetryDue) return;
    this.#isRetryDue = true;
    scope.after(this.#retryMs, () => {
      this.#isRetryDue = false;
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
      for (const { tried } of this.#wanted.values()) tried.clear();
      this.#fetchSome();
    });
  }
}
