/** What an agent of a kind with several ways may think with: never more than its spawner, and nothing that this one has ruled out. */
import { describe, expect, it } from 'vitest';
import { findKind, requireModels } from '../../../src/agents/run/prepare.ts';
import type { PrepareComponents } from '../../../src/agents/run/prepare.ts';
import type { AgentKind } from '../../../src/config/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';

const LEARNING = {
  ways: {
    plain: {},
    big: { model: 'gpu/big' },
    told: { instructions: 'Look twice.' },
    prompted: { prompt: 'files/reviewer' },
  },
  cost: 0.1,
  time: 0.1,
  answers: {},
  experiences: 3,
};
const KIND: AgentKind = {
  problems: [],
  protocol: 'lines',
  tools: [],
  capabilities: [],
  tags: [],
  maxConcurrentTasks: 1,
  maxReplicas: 1,
  strategy: 'one_for_one',
  restarts: 5,
  processes: 1,
  listed: false,
  ownRights: false,
  thinks: { model: 'gpu/small', steps: 3, learning: LEARNING },
};

const waysOf = (wanted: object): readonly string[] =>
  Object.keys(findKind({ clerk: KIND }, 'clerk', wanted).kind.thinks?.learning?.ways ?? {});

describe('the ways of a kind', () => {
  it('are all there where the spawner names nothing, and those that fit what it names', () => {
    expect(waysOf({})).toEqual(['plain', 'big', 'told', 'prompted']);
    expect(waysOf({ model: 'gpu/other' })).toEqual(['plain', 'told', 'prompted']);
    expect(waysOf({ prompt: 'files/other' })).toEqual(['plain', 'big']);
  });

  it('give no right to a model that the spawner has not', () => {
    const components = {
      modelScopes: (model: string) => (model === 'gpu/small' ? ['model:gpu/small'] : []),
    } as unknown as PrepareComponents;
    const { thinks } = KIND;
    if (thinks === undefined) throw new Error('it thinks');
    expect(requireModels(components, thinks, OPERATOR)).toEqual(['model:gpu/small']);
    const all = { ...components, modelScopes: (model: string) => [`model:${model}`] };
    expect(requireModels(all, thinks, OPERATOR)).toEqual(['model:gpu/small', 'model:gpu/big']);
    const none = { ...components, modelScopes: () => [] };
    expect(() => requireModels(none, thinks, OPERATOR)).toThrow(/none of that name/);
  });

  it('are no kind with a schema that can not be held to', () => {
    const answers = { message: { type: 'string', pattern: '(a+)+$' } };
    const thinks = { model: 'gpu/small', steps: 3, learning: { ...LEARNING, answers } };
    expect(() => findKind({ clerk: { ...KIND, thinks } }, 'clerk', {})).toThrow(
      /learning\.answers\.message/,
    );
  });
});
