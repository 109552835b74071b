/**
 * By whose word a call is, one link after the other: whoever calls, and those for whom that one works. A link can be
 * written down and sent to another node, which says there who is meant. Pure.
 */
import type { Did } from '../core/index.ts';
import { keyOf } from './principal-names.ts';
import type { Principal } from './types.ts';

/** Who is meant by a link. */
export interface Link {
  /** What its node calls a client of its own. */
  readonly client?: string;
  /** Who has proven this key; with `node`, to that node. */
  readonly did?: Did;
  /** The node that has vouched; absent for the one that wrote the link. */
  readonly node?: Did;
}

const OPERATOR_LINK = 'operator';
/** A name that has one of these could end its link, or begin another one. */
const ODD = /[%@\s\p{Cc}]/gu;
const LINK =
  /^(?:client:(?<client>[^@]*)|(?<did>did:key:z\w{20,128}))(?:@(?<node>did:key:z\w{20,128}))?$/s;

/**
 * The links of `principal`, itself first; each once. With `self`, the did of the node that writes them, they can be
 * read at other nodes.
 */
export function chainOf(principal: Principal, self?: Did): readonly string[] {
  const worksFor = 'worksFor' in principal ? (principal.worksFor ?? []) : [];
  const links = worksFor.flatMap((one) => chainOf(one, self));
  return [...new Set([linkOf(principal, self), ...links])];
}

function linkOf(principal: Principal, self: Did | undefined): string {
  const here = self === undefined ? '' : `@${self}`;
  switch (principal.kind) {
    case 'operator':
      return self ?? OPERATOR_LINK;
    case 'client':
      return `client:${written(principal.name)}${here}`;
    case 'agent':
      return `${principal.did}${here}`;
    default: {
      const { did, onBehalfOf } = principal;
      if (onBehalfOf === undefined) return keyOf(principal);
      const whom = onBehalfOf.did ?? `client:${written(onBehalfOf.name ?? '')}`;
      return `${whom}@${did}`;
    }
  }
}

/** Reads a link; undefined for the operator of the node that wrote it, and an empty one for what is no link. */
export function readLink(text: string): Link | undefined {
  if (text === OPERATOR_LINK) return undefined;
  const { client, did, node } = LINK.exec(text)?.groups ?? {};
  return {
    ...(client === undefined ? {} : { client: read(client) }),
    ...(did === undefined ? {} : { did: did as Did }),
    ...(node === undefined ? {} : { node: node as Did }),
  };
}

/** True for what another node may write into a chain. */
export function isLink(text: string): boolean {
  return text !== OPERATOR_LINK && LINK.test(text);
}

function written(name: string): string {
  return name.replaceAll(/\p{Cs}/gu, '\ufffd').replaceAll(ODD, (odd) => encodeURIComponent(odd));
}

function read(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    // A row of an earlier version has names as they are.
    return name;
  }
}
