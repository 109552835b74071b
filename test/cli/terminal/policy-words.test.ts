/** What a changed policy file has changed, as `up` tells it. */
import { expect, it } from 'vitest';
import { policyWords } from '../../../src/cli/terminal/policy-words.ts';
import { parsePolicy, policyChanges } from '../../../src/guard/index.ts';
import { policyJsonSchema } from '../../../src/guard/policy/schema.ts';

function words(before: string, after: string): readonly string[] {
  const [old, fresh] = [parsePolicy(before, 'before'), parsePolicy(after, 'after')];
  return policyChanges(old, fresh).map(policyWords);
}

it.each([
  ['', 'callers: { "peer:anna": { read_only: true } }', 'peer anna may only read'],
  ['callers: { "peer:anna": { read_only: true } }', '', 'peer anna may do more than read'],
  [
    'callers: { "peer:anna": { approval_required: ["files/write_*"] } }',
    'callers: { "peer:anna": {} }',
    'peer anna needs no approval any more (was files/write_*)',
  ],
  [
    '',
    'callers: { operator: { approval_required: ["files/delete_*", "git/push"] } }',
    'the operator needs an approval for files/delete_*, git/push',
  ],
  [
    '',
    'zones: { external: { approval_required: true } }',
    'the zone external needs an approval for everything',
  ],
  ['', 'zones: { local: { trust: 0.7 } }', 'the zone local is trusted by 0.7 (was 0.9)'],
  [
    '',
    'callers: { "client:c.i": { allowed_namespaces: [files] } }',
    'client c.i may use only files',
  ],
  ['', 'approvals: { timeout: 5m }', 'a call waits 5m for an approval (was 10m)'],
  ['', 'guardian: { lifetime: 9m }', 'the guardian gives grants for 9m (was 5m)'],
  ['', 'resource_types: { SAP_API: { risk: 0.6 } }', 'SAP_API has a risk of 0.6 (was 0.5)'],
])('from %j to %j it is said in words', (before, after, said) => {
  expect(words(before, after)).toContain(said);
});

it('each key of the policy file has its words', () => {
  const keys: string[] = [];
  const walk = (key: string, schema: unknown): void => {
    const { properties, additionalProperties } = schema as Record<string, object | undefined>;
    if (properties === undefined && typeof additionalProperties !== 'object') keys.push(key);
    for (const [name, below] of Object.entries(properties ?? {})) {
      walk(key === '' ? name : `${key}.${name}`, below);
    }
    if (typeof additionalProperties === 'object') walk(`${key}.x`, additionalProperties);
  };
  walk('', policyJsonSchema());
  const wordless = keys
    .filter((key) => !['$schema', 'version'].includes(key))
    .filter((key) => policyWords({ key, to: '1' }).startsWith(`${key} is`));
  expect(keys.length).toBeGreaterThan(40);
  expect(wordless).toEqual([]);
});
