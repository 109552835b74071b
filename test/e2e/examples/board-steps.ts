/** The examples of boards, in the order in which a day would bring them. */
import type { JsonObject } from '../../../src/core/json/json.ts';
import type { Step } from './step.ts';

/** The examples; `call` calls a tool of alice's node. */
export function boardSteps(
  call: (tool: string, input: JsonObject) => Promise<unknown>,
): Readonly<Record<string, Step>> {
  const boardSet = (key: string): Promise<unknown> =>
    call('board_set', { board: 'plan', key, value: Math.random() });
  return {
    'starling board create plan': { at: 'alice' },
    'starling board create notes --open': { at: 'alice' },
    'starling board create archive --hold on-demand': {
      at: 'alice',
      printed: /hold only while somebody there uses it/,
    },
    'starling board create jobs --strong': {
      at: 'alice',
      put: { '--strong': '--strong alice' },
      printed: /a strong board/,
    },
    'starling board cas jobs leader alice --expect bob': {
      at: 'alice',
      before: () => call('board_set', { board: 'jobs', key: 'leader', value: 'bob' }),
    },
    'starling board lease jobs printer --ttl 1m': { at: 'alice', printed: /has the lease/ },
    'starling board lease jobs printer --release': { at: 'alice', printed: /nobody has the lease/ },
    'starling board replicas jobs': { at: 'alice', printed: /jobs is kept by alice/ },
    'starling board replicas jobs --add dave --remove bob': {
      at: 'alice',
      // Alone there is one replica: to add it again changes nothing.
      put: { '--add dave --remove bob': '--add alice' },
      printed: /jobs is kept by alice/,
    },
    'starling board grant plan bob read': { at: 'alice', printed: /bob may now read board plan/ },
    'starling board grant plan bob write --prefix tasks/bob/': { at: 'alice' },
    'starling board grant plan client:cursor write': { at: 'alice' },
    'starling grant create bob --board plan --may write': {
      at: 'alice',
      printed: /bob may now write board plan/,
    },
    'starling board revoke plan bob': { at: 'alice' },
    'starling board set plan owner alice --create': { at: 'alice' },
    'starling board info plan': { at: 'alice' },
    'starling board history plan': { at: 'alice' },
    'starling board history plan owner': { at: 'alice' },
    'starling board set plan limits \'{"cpu": 4}\'': { at: 'alice' },
    'starling board get plan owner': { at: 'alice' },
    'starling board list': { at: 'alice' },
    'starling board list plan task/': { at: 'alice', before: () => boardSet('task/1') },
    'starling board watch plan': {
      at: 'alice',
      says: /owner = .* \(by alice/,
      poke: () => boardSet('owner'),
    },
    'starling board watch plan task/': {
      at: 'alice',
      says: /task/,
      poke: () => boardSet('task/1'),
    },
    'starling board undo plan owner': { at: 'alice' },
    'starling board export plan > plan.jsonl': { at: 'alice' },
    'starling board import plan plan.jsonl --dry-run': { at: 'alice' },
    'starling board delete plan owner': { at: 'alice' },
    'starling board drop plan': { at: 'alice' },
  };
}
