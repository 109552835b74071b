/** Plans that a model proposes: nothing but phases that members can do, whatever the model was told or talked into. */
import { expect, it } from 'vitest';
import type { JsonObject } from '../../src/core/index.ts';
import { PHASES_MAX } from '../../src/orchestration/limits.ts';
import { proposedPhases } from '../../src/orchestration/proposed-plan.ts';

const WANTED = { model: 'gpu/mind', capabilities: ['code', 'review'], required: ['code'] };
const CODE = { name: 'write', capability: 'code' };
const CHECK = { name: 'check', capability: 'review', dependencies: ['write'], role: 'validator' };

it('a plan of what members can do is taken as it is', () => {
  const phases = [CODE, { ...CHECK, copies: 2 }];
  expect(proposedPhases({ phases }, WANTED)).toEqual(phases);
});

it.each<readonly [string, JsonObject, string]>([
  ['no plan', {}, 'phases'],
  ['phases that are none', { phases: 'write it' }, 'phases'],
  ['none at all', { phases: [] }, 'leaves out code'],
  [
    'more than there may be',
    { phases: Array.from({ length: PHASES_MAX + 1 }, () => CODE) },
    'phases',
  ],
  ['a capability that nobody has', { phases: [CODE, { ...CODE, capability: 'rm' }] }, "'rm'"],
  ['a required one that is left out', { phases: [CHECK] }, 'leaves out code'],
  ['a phase that waits for none', { phases: [CODE, { ...CHECK, dependencies: ['x'] }] }, "'x'"],
  ['a check of nothing', { phases: [CODE, { ...CHECK, dependencies: [] }] }, 'checks'],
  [
    'phases that wait for one another',
    { phases: [{ ...CODE, dependencies: ['check'] }, CHECK] },
    'write → check → write',
  ],
  ['a role that gives orders', { phases: [{ ...CODE, role: 'coordinator' }] }, 'role'],
  ['a thousand agents for one phase', { phases: [{ ...CODE, copies: 1000 }] }, 'copies'],
  ['more words than a phase has', { phases: [{ ...CODE, agent: 'evil@mallory' }] }, 'agent'],
  ['more words than a plan has', { phases: [CODE], budget: 'all' }, 'budget'],
])('a model that proposes %s is told so', (_, value, why) => {
  expect(() => proposedPhases(value, WANTED)).toThrow(
    expect.objectContaining({
      code: 'STARLING_MODEL_INVALID',
      message: expect.stringContaining(why) as string,
    }),
  );
});
