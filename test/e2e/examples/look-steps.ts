/** Examples of looking at a node and at what goes on there. */
import { expect } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { builtin } from '../support.ts';
import type { Step } from './step.ts';

/** The steps, at the node of that place. */
export function lookSteps(node: () => NodeProcess): Readonly<Record<string, Step>> {
  return {
    'starling doctor': { at: 'alice' },
    'starling doctor --config starling.json': { at: 'alice' },
    'starling bugreport': { at: 'alice', printed: /read it before you pass it on/ },
    'starling bugreport --out -': { at: 'alice', printed: /## Peers/ },
    'starling status': { at: 'alice' },
    'starling top': { at: 'alice', printed: /^alice in .*, up [^]*^calls +\d/m },
    'starling top --once': {
      at: 'alice',
      printed: /^bob +alive/m,
      // Looks are on no record: that would bury what the record is for.
      after: async () => {
        const what = { what: 'starling/node_figures' };
        expect(await builtin(node(), 'audit_query', what)).toMatchObject({ entries: [] });
      },
    },
    'starling dashboard': {
      at: 'alice',
      printed: /^http:\/\/127\.0\.0\.1:\d+\/dashboard\/#[\w-]{43}$/m,
    },
    'starling dashboard --close': { at: 'alice', printed: /lead nowhere now/ },
    'starling status --wide': { at: 'alice' },
    'starling nodes': { at: 'alice' },
    'starling --node lab status': { at: 'alice', put: { lab: 'alice' } },
  };
}
