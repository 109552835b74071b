/**
 * What grants that we hold say of a peer's names: a tool that comes into sight because its owner granted it
 * to us is no change of the server. Says nothing of what may be called.
 */
import type { Did, PeerId } from '../../core/index.ts';
import {
  CLOCK_SKEW_MS,
  encodeSegment,
  matchResource,
  promptResource,
  toolResource,
} from '../../grants/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import { didFromPeerId } from '../../identity/index.ts';
import type { PinKind } from './definition.ts';

/** The grants that are asked. */
export type PinGrants = Pick<GrantBook, 'received' | 'state' | 'successions' | 'events'>;

/** How a grant covers a name: it writes the name out, or has a wildcard that fits. */
export type Coverage = 'named' | 'matched';

/** The names of one server that valid grants cover. */
export interface GrantedNames {
  /** How `name` is covered by grants issued at `sinceMs` or later (a skew of the clocks allowed). */
  covers(kind: PinKind, name: string, sinceMs: number): Coverage | undefined;
}

/** The valid grants that we hold on `server` of `owner`, as they are now. */
export function grantedNames(grants: PinGrants, owner: PeerId, server: string): GrantedNames {
  const did: Did = didFromPeerId(owner);
  const held = grants
    .received()
    .filter(
      (grant) =>
        grants.successions.follows(did, grant.claims.sub) && grants.state(grant) === 'valid',
    );
  return {
    covers(kind, name, sinceMs) {
      if (kind === 'instructions') return undefined;
      const resource = (kind === 'tool' ? toolResource : promptResource)(server, name);
      const patterns = held
        .filter(({ claims }) => claims.iat * 1000 + CLOCK_SKEW_MS >= sinceMs)
        .flatMap(({ claims }) => claims.cap.map((one) => one.resource))
        .filter((pattern) => matchResource(pattern, resource));
      if (patterns.length === 0) return undefined;
      return patterns.some((pattern) => pattern.endsWith(`/${encodeSegment(name)}`))
        ? 'named'
        : 'matched';
    },
  };
}
