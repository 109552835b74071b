/** No scope and no grant that does not name a scheme reaches it: every old wildcard against every newer scheme. */
import { expect, it } from 'vitest';
import { matchResource } from '../../../src/grants/index.ts';
import { ATTACHED_SCOPES, FULL_SCOPE, scopesCover } from '../../../src/guard/index.ts';
import { isInScope } from '../../../src/guard/decision/client-scopes.ts';

/** As wide as a scope or a grant could be before agents, boards of one's own, models and budgets came. */
const OLD = [
  FULL_SCOPE,
  'tool:**',
  'tool:*/*',
  'tool:*/**',
  'tool:@*/*/*',
  'tool:@*/**',
  'tool:starling/*',
  'tool:starling/**',
  'tool:starling/agent_message',
  'tool:starling/agent_spawn',
  'tool:@*/starling/*',
  'resource:**',
  'resource:*/**',
  'resource:starling/**',
  'prompt:**',
  'prompt:*/*',
  'mesh:**',
];
/** What came since, here and at a peer. */
const NEW = ['agent', 'board', 'model', 'budget'].flatMap((scheme) => [
  `${scheme}:x`,
  `${scheme}:@alice/x`,
  `${scheme}:starling`,
  `${scheme}:starling/x`,
  `${scheme}:tool`,
  `${scheme}:@alice/starling/x`,
]);
const targetOf = (resource: string) => {
  const [scheme = '', path = ''] = resource.split(':');
  return { scheme, segments: path.split('/') };
};

it.each(OLD)('%s reaches no agent, board, model or budget', (wide) => {
  for (const resource of NEW) {
    expect(isInScope([wide], targetOf(resource)), resource).toBe(false);
    expect(scopesCover([wide], resource), resource).toBe(false);
    if (wide !== FULL_SCOPE) expect(matchResource(wide, resource), resource).toBe(false);
  }
});

it('an attached client reaches agents because its scopes name them, and neither boards, models nor budgets', () => {
  const reached = NEW.filter((resource) => isInScope(ATTACHED_SCOPES, targetOf(resource)));
  expect(reached.every((resource) => resource.startsWith('agent:'))).toBe(true);
  expect(reached).toContain('agent:x');
  expect(reached).toContain('agent:@alice/x');
});

it('one new scheme gives no other', () => {
  for (const own of ['agent:**', 'board:**', 'model:**', 'budget:**']) {
    const scheme = own.split(':')[0] ?? '';
    for (const resource of NEW) {
      expect(matchResource(own, resource), `${own} ${resource}`).toBe(
        resource.startsWith(`${scheme}:`),
      );
    }
  }
});
