/** The swarms of a node over boards that its test shares with others. */
import type { Funds } from '../../src/budget/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import { createSwarms } from '../../src/swarms/index.ts';
import type { Swarms } from '../../src/swarms/index.ts';
import type { TestWorld } from '../agents/world.ts';
import { memoryTable } from '../grants/memory-table.ts';
import type { PlainBoards } from './plain-boards.ts';

/** Makes those of one node; who may write to whom is not asked here: test/e2e/agents/swarms has the grants. */
export function makeSwarms(
  { clock, nodes }: TestWorld,
  boards: PlainBoards,
  name: string,
  funds?: Funds,
): Swarms {
  const node = nodes[name];
  if (node === undefined) throw new Error(name);
  const { membership, random, self } = node.rooms;
  const given = new Map<string, { readonly claims: { readonly jti: string } }>();
  let count = 0;
  return createSwarms({
    agents: node.agents,
    runs: { spawn: () => Promise.reject(new Error('no kinds')) },
    kinds: () => [],
    blackboard: boards.at(self.did) as never,
    membership,
    grants: {
      async issue() {
        const jti = `grant ${(count += 1)}`;
        given.set(jti, { claims: { jti } });
        return { claims: { jti } };
      },
      issued: () => [...given.values()],
      revoke: async (jti: string) => void given.delete(jti),
      state: () => 'valid',
    } as never,
    ...(funds === undefined ? {} : { funds }),
    self: self.did,
    node: self,
    table: memoryTable(),
    clock,
    random,
    logger: silentLogger,
  });
}
