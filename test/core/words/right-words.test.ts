/** Rights and their limits as a person says them. */
import { expect, it } from 'vitest';
import { givenText, limitsText, rightText } from '../../../src/core/index.ts';

it.each([
  ['tool/call', 'tool:files/echo', 'call files/echo'],
  ['resource/read', 'resource:files/file:///a', 'read files/file:///a'],
  ['prompt/get', 'prompt:git/review', 'get the prompt git/review'],
  ['model/use', 'model:gpu/*', 'use the model gpu/*'],
  ['model/use', 'model:gpu/qwen3%3A8b', 'use the model gpu/qwen3:8b'],
  ['agent/task', 'agent:coder', 'give tasks to the agent coder'],
  ['mesh/invite', 'mesh:did:key:z6Mk', 'let others into the mesh'],
  ['odd/verb', 'tool:files/echo', 'odd/verb tool:files/echo'],
])('%s on %s is said as: %s', (ability, resource, words) => {
  expect(rightText(ability, resource)).toBe(words);
});

it.each([
  [{ ability: 'tool/call', resource: 'tool:files/read' }, 'call files/read with any arguments'],
  [
    { ability: 'tool/call', resource: 'tool:files/read', caveats: { args: {}, uses: 2 } },
    'call files/read (args {}, 2 uses)',
  ],
  [{ ability: 'resource/read', resource: 'resource:files/**' }, 'read files/**'],
])('what %j gives is said as: %s', (right, words) => {
  expect(givenText(right)).toBe(words);
});

it.each([
  [undefined, ''],
  [{ rate: { per_s: 5 / 60, burst: 5 } }, ' (at most 5 calls a minute)'],
  [{ rate: { per_s: 5, burst: 5 } }, ' (at most 5 calls a second)'],
  [{ rate: { per_s: 1 / 3600, burst: 1 }, uses: 1 }, ' (at most 1 call an hour, 1 use)'],
  [{ rate: { per_s: 1, burst: 90 } }, ' (at most 90 calls in 90s)'],
  [{ rate: { per_s: 0.2, burst: 10 } }, ' (at most 12 calls a minute, 10 at once)'],
  [
    { args: { path: { paths: ['/srv/**'] } }, approval: 'required' },
    ' (path in /srv/**, with approval)',
  ],
  [{ unheard: [1] }, ' (unheard [1])'],
])('the limits %j are said as:%s', (caveats, words) => {
  expect(limitsText(caveats)).toBe(words);
});
