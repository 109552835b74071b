/** The agents that a peer lists in its catalog document, as far as they have the shape of one. */
import { isCount, isObject, isText } from '../core/index.ts';
import type { Did, Json } from '../core/index.ts';
import { parseDid } from '../identity/index.ts';
import type { ListedAgent } from './types.ts';

/** Agents that one peer may list; more than a node can have. */
const AGENTS_MAX = 256;
const CAPABILITIES_MAX = 64;
const TEXT_MAX = 256;

/** What has the shape of an agent, once each by name; what else is said of it is left out. */
export function readAgents(agents: Json | undefined): readonly ListedAgent[] {
  if (!Array.isArray(agents)) return [];
  const known = new Set<string>();
  return (agents as readonly Json[]).slice(0, AGENTS_MAX).flatMap((value) => {
    if (!isObject(value)) return [];
    const { id, did, name, kind, capabilities, maxConcurrentTasks, zone } = value;
    const owner = didOf(did);
    const isAgent =
      isText(id, TEXT_MAX) &&
      isText(name, TEXT_MAX) &&
      isText(kind, TEXT_MAX) &&
      owner !== undefined;
    if (!isAgent || known.has(name)) return [];
    known.add(name);
    const named = Array.isArray(capabilities) ? (capabilities as readonly Json[]) : [];
    return [
      {
        id,
        did: owner,
        name,
        kind,
        capabilities: named
          .filter((one): one is string => isText(one, TEXT_MAX))
          .slice(0, CAPABILITIES_MAX),
        maxConcurrentTasks: isCount(maxConcurrentTasks) ? maxConcurrentTasks : 0,
        zone: isText(zone, TEXT_MAX) ? zone : '',
      },
    ];
  });
}

function didOf(value: Json | undefined): Did | undefined {
  if (!isText(value, TEXT_MAX)) return undefined;
  try {
    return parseDid(value);
  } catch {
    return undefined;
  }
}
