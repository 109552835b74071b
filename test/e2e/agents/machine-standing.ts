/** A whole node of a test, and what somebody could have changed at it. */
import type { Json } from '../../../src/core/index.ts';
import type { Machine } from '../../fixtures/whole-nodes.ts';

/** What an attack could have changed at a node. */
export async function standing({ operator }: Machine): Promise<Json> {
  const { agents } = await operator.builtin<{ agents: { name: string; id: string }[] }>(
    'agent_list',
    { here: true },
  );
  const { grants } = await operator.builtin<{ grants: unknown[] }>('grant_list');
  const { keys: held } = await operator.builtin<{ keys: { name: string }[] }>('key_list');
  const { servers } = await operator.builtin<{ servers: { server: string }[] }>(
    'server_status',
    {},
  );
  return {
    servers: servers.map(({ server }) => server).toSorted(),
    agents: agents.map(({ name, id }) => `${name} ${id}`).toSorted(),
    grants: grants.length,
    keys: held.map(({ name }) => name).toSorted(),
  };
}
