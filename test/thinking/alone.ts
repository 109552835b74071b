/** Minds without a node: no tool can be called, nothing was said before, and every caller is as near as can be. */
import { silentLogger } from '../../src/core/index.ts';
import type { Principal } from '../../src/guard/index.ts';
import type { MindsComponents } from '../../src/thinking/index.ts';
import { memoryTable } from '../grants/memory-table.ts';

/** A toolbox that nothing is in; `looked` hears by whose rights it was asked for, each time. */
export function closedToolbox(
  looked: (principal: Principal) => void = () => undefined,
): MindsComponents['innerCaller'] {
  return (principal) => ({
    request: async () => {
      looked(principal());
      return { tools: [] };
    },
    originOf: () => undefined,
    close: () => undefined,
  });
}

/** What a mind works with where there is nobody but its model. */
export function alone(
  init: Pick<MindsComponents, 'models' | 'clock'> & Partial<MindsComponents>,
): MindsComponents {
  return {
    messageBytes: 1_000_000,
    innerCaller: closedToolbox(),
    zoneOf: () => 'local',
    zoneOfCaller: () => 'local',
    contexts: {
      recall: async () => ({ said: [] }),
      keep: async () => undefined,
      compress: () => undefined,
    },
    contextTokensOf: () => 100_000,
    table: memoryTable(),
    logger: silentLogger,
    ...init,
  };
}
