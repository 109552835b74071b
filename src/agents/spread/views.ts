/** What is shown of a spread agent. Pure. */
import type { Did } from '../../core/index.ts';
import type { SpreadView } from '../types.ts';
import type { ParentFacts } from './parent.ts';
import type { SpreadRow } from './rows.ts';

/** What is known of it besides its row. */
export interface ViewFacts {
  /** What this node knows that may be its parent; undefined where it has not looked. */
  readonly facts: ParentFacts | undefined;
  /** The lease that holds now, as far as this node knows. */
  readonly lease: { readonly holder: string; readonly token: number } | undefined;
  /** The name of this node. */
  readonly self: string;
  readonly nameOf: (did: Did) => string;
}

/** Shows a spread agent. */
export function viewOf(
  { claims, ended, parts, terms }: SpreadRow,
  { facts, lease, nameOf, self }: ViewFacts,
): SpreadView {
  const parent = parentOf({ facts, lease, nameOf, self });
  const reasons = [...(facts?.without ?? [])].filter(
    ([node]) => !parts.some((part) => part.node === node),
  );
  return {
    name: claims.agent,
    kind: claims.kind,
    by: nameOf(claims.iss),
    ...(parent === undefined ? {} : { parent }),
    replicas: terms.least === terms.most ? `${terms.most}` : `${terms.least}..${terms.most}`,
    strategy: terms.strategy,
    parts: parts.map(({ node }) => {
      const { replicas, state } = facts?.views.get(node) ?? {};
      return {
        node: nameOf(node),
        ...(state === undefined ? {} : { state }),
        ...(replicas === undefined ? {} : { replicas }),
      };
    }),
    ...(reasons.length === 0
      ? {}
      : { without: reasons.map(([node, reason]) => ({ node: nameOf(node), reason })) }),
    ...(ended === undefined ? {} : { ended: ended.how }),
    ...(ended?.why === undefined ? {} : { error: ended.why }),
  };
}

/** Whether each part is there and takes messages. */
export function isThere({ ended, parts }: SpreadView): boolean {
  const isRunning = (state: string | undefined): boolean =>
    state === 'ready' || state === 'running' || state === 'learning';
  return ended === undefined && parts.length > 0 && parts.every(({ state }) => isRunning(state));
}

function parentOf({ facts, lease, nameOf, self }: ViewFacts): SpreadView['parent'] {
  if (facts?.token !== undefined) return { node: self, token: facts.token };
  if (lease === undefined) return undefined;
  return { node: nameOf(lease.holder as Did), token: lease.token };
}
