/** The one short form of an identity, wherever people read one and the whole would not fit. Pure. */
import type { Did, PeerId } from '../core/index.ts';
import { parsePeerId, peerIdFromDid } from './did.ts';

/** Characters of a PeerId that tell nodes apart: 46 bits. All PeerIds of Ed25519 keys begin alike. */
const LENGTH = 8;
const MARK = '…';
const SHORT = new RegExp(`^${MARK}?([1-9A-HJ-NP-Za-km-z]{${LENGTH},})$`);
/** Ids in a text that are no part of an address: those are pasted, and must stay whole. */
const IDS =
  /(?<![\w/])(?:did:key:z[1-9A-HJ-NP-Za-km-z]{40,64}|12D3KooW[1-9A-HJ-NP-Za-km-z]{40,60})\b/g;

/**
 * `…` and the end of the PeerId of a key, whichever way the key is written: what `starling peers` shows,
 * and what commands take in place of a name. Any other text stays as it is.
 */
export function shortId(id: string): string {
  try {
    const peer = id.startsWith('did:') ? peerIdFromDid(id as Did) : parsePeerId(id);
    return MARK + peer.slice(-LENGTH);
  } catch {
    // Names of clients and the like have no other form.
    return id;
  }
}

/** `text` with each did:key and PeerId in it in its short form. Addresses stay as they are. */
export function withShortIds(text: string): string {
  return text.replaceAll(IDS, shortId);
}

/**
 * True when `reference` is {@link shortId} of `peer`, with the mark or without, or a longer end of it. A shorter
 * one names nobody: keys that end in four or six given characters are made in no time.
 */
export function isShortIdOf(reference: string, peer: PeerId): boolean {
  const end = SHORT.exec(reference)?.[1];
  return end !== undefined && peer.endsWith(end);
}
