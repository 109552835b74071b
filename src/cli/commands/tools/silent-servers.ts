/** Servers of a node that list nothing yet: what a person who looks for their tools is told. */
import type { GrantListResult, StatusResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { UpstreamStatus } from '../../../gateway/types.ts';
import type { NodeClient } from '../../node/client.ts';
import { safeLine } from '../../terminal/output.ts';

/** Those that start or have failed, and have never listed a tool; none where the caller may not see them. */
export async function silentServers(node: NodeClient): Promise<readonly UpstreamStatus[]> {
  try {
    const { upstreams = [] } = await node.builtin<Partial<StatusResult>>('status');
    return upstreams.filter(
      ({ state, tools }) => tools === 0 && (state === 'starting' || state === 'failed'),
    );
  } catch (error) {
    if (error instanceof StarlingError) return [];
    throw error;
  }
}

/** Peers whose first list of tools is on its way, a line each; none where the caller may not see that. */
export async function comingLines(node: NodeClient): Promise<readonly string[]> {
  try {
    const { catalogsComing = [] } = await node.builtin<Partial<StatusResult>>('status');
    return catalogsComing.map((peer) => safeLine(`… the tools of ${peer} are on their way`));
  } catch (error) {
    if (error instanceof StarlingError) return [];
    throw error;
  }
}

/** What the peer of that name has granted of its tools to this node; nothing where the caller may not see that. */
export async function grantedBy(node: NodeClient, alias: string): Promise<readonly string[]> {
  try {
    const { grants = [] } = await node.builtin<Partial<GrantListResult>>('grant_list');
    return grants
      .filter((one) => one.direction === 'received' && one.with === alias && one.state === 'valid')
      .flatMap(({ capabilities }) => capabilities.map(({ resource }) => resource))
      .filter((resource) => resource.startsWith('tool:'))
      .map((resource) => resource.slice('tool:'.length));
  } catch (error) {
    if (error instanceof StarlingError) return [];
    throw error;
  }
}
