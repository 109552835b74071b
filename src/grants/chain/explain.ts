/** A chain as a person reads it: each link, what it narrows, when it ends, and what is wrong with it. */
import type { Did } from '../../core/index.ts';
import { attenuates } from './capability.ts';
import { parseGrant, refusalOf } from '../format/grant.ts';
import type { Capability, Grant, Refusal } from '../types.ts';
import { describeRefusal, ruleOf, verifyChain } from './verify.ts';
import type { ChainContext } from './verify.ts';
import { limitText, limitsText, plainResource, printable, rightText } from '../../core/index.ts';

/** A grant of a chain as people read it. */
export interface ShownLink {
  /** The grant's `jti`. */
  readonly id: string;
  readonly hash: string;
  readonly issuer: Did;
  readonly audience: Did;
  /** Each capability in words: `tool/call tool:files/* (path in /srv/docs/**, 100 uses)`. */
  readonly allows: readonly string[];
  /** What it takes away from its parents, in words. */
  readonly narrows: readonly string[];
  /** ms since the epoch */
  readonly startsAt?: number;
  readonly endsAt: number;
  /** Further delegations that may hang below. */
  readonly handsMax: number;
  /** `hash` of the links that it stands on. */
  readonly parents: readonly string[];
}

/** A chain, and whether it holds. */
export interface ShownChain {
  readonly valid: boolean;
  /** The rule that fails. */
  readonly rule?: string;
  /** How it fails, as indented lines. */
  readonly reason?: string;
  readonly owner: Did;
  readonly holder: Did;
  /** The leaf first. */
  readonly links: readonly ShownLink[];
}

/** What texts from elsewhere say. */
export interface Inspection {
  /** True when there is a chain, all hold, and every text is a grant. */
  readonly valid: boolean;
  readonly chains: readonly ShownChain[];
  /** Texts that are no grants. */
  readonly refused: readonly Refusal[];
}

/** What an inspection looks at beyond the texts. */
export type InspectionContext = Pick<ChainContext, 'nowMs' | 'isRevoked' | 'find' | 'successions'>;

/** Longest resource that is shown. */
const RESOURCE_MAX = 512;
/** Texts that are read at once. */
const TEXTS_MAX = 1024;

/** Verifies chains given as texts in any order, each leaf by itself. */
export function inspectGrants(texts: readonly string[], context: InspectionContext): Inspection {
  const refused: Refusal[] = [];
  const byHash = new Map<string, Grant>();
  for (const text of texts.slice(0, TEXTS_MAX)) {
    try {
      const grant = parseGrant(text);
      byHash.set(grant.hash, grant);
    } catch (error) {
      refused.push(refusalOf(error));
    }
  }
  const named = new Set([...byHash.values()].flatMap(({ claims }) => claims.prf ?? []));
  const find = (hash: string): Grant | undefined => byHash.get(hash) ?? context.find(hash);
  const chains = [...byHash.values()]
    .filter(({ hash }) => !named.has(hash))
    .map((leaf) => explainChain(leaf, { ...context, find }));
  const valid = refused.length === 0 && chains.length > 0 && chains.every((one) => one.valid);
  return { valid, chains, refused };
}

/** Verifies the chain of `leaf` and shows it link by link. */
export function explainChain(leaf: Grant, context: InspectionContext): ShownChain {
  const verdict = verifyChain(leaf, context);
  const links = new Map([[leaf.hash, leaf]]);
  for (const link of links.values()) {
    for (const hash of link.claims.prf ?? []) {
      const parent = context.find(hash);
      if (parent !== undefined) links.set(hash, parent);
    }
  }
  return {
    valid: verdict.ok,
    ...(verdict.ok
      ? {}
      : { rule: ruleOf(verdict.refusal), reason: describeRefusal(verdict.refusal) }),
    owner: leaf.claims.sub,
    holder: leaf.claims.aud,
    links: [...links.values()].map((link) => show(link, links)),
  };
}

/** A capability with its limits in words; what it is on stands as the grant has it. */
function describeCapability({ ability, resource, caveats }: Capability): string {
  return `${printable(ability)} ${printable(resource, RESOURCE_MAX)}${limitsText(caveats)}`;
}

/** The whole in words. */
function rightOf({ ability, resource, caveats }: Capability): string {
  return `${printable(rightText(ability, resource), RESOURCE_MAX)}${limitsText(caveats)}`;
}

function show({ hash, claims }: Grant, links: ReadonlyMap<string, Grant>): ShownLink {
  const parents = claims.prf ?? [];
  const above = parents.flatMap((parent) => links.get(parent) ?? []);
  return {
    id: claims.jti,
    hash,
    issuer: claims.iss,
    audience: claims.aud,
    allows: claims.cap.map(describeCapability),
    narrows: above.length === 0 ? [] : narrowings(above, claims),
    ...(claims.nbf === undefined ? {} : { startsAt: claims.nbf * 1000 }),
    endsAt: claims.exp * 1000,
    handsMax: claims.max_depth,
    parents,
  };
}

function narrowings(parents: readonly Grant[], claims: Grant['claims']): readonly string[] {
  const above = parents.flatMap((parent) => parent.claims.cap);
  const lines = claims.cap.flatMap((capability) => {
    const wider = above.find((one) => attenuates(one, capability));
    if (wider === undefined) return [`nothing: to ${rightOf(capability)} is more`];
    const what =
      wider.resource === capability.resource
        ? []
        : [`${plain(wider.resource)} to ${plain(capability.resource)}`];
    const added = Object.entries(capability.caveats ?? {})
      .filter(([name, value]) => JSON.stringify(wider.caveats?.[name]) !== JSON.stringify(value))
      .map(([name, value]) => limitText(name, value));
    return [...what, ...added];
  });
  const dropped = above
    .filter((one) => !claims.cap.some((capability) => attenuates(one, capability)))
    .map((one) => `may not ${rightOf(one)}`);
  const end = Math.min(...parents.map((parent) => parent.claims.exp));
  const sooner = claims.exp < end ? [`ends ${new Date(claims.exp * 1000).toISOString()}`] : [];
  return [...new Set([...lines, ...dropped, ...sooner])];
}

function plain(resource: string): string {
  return printable(plainResource(resource), RESOURCE_MAX);
}
