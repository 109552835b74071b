/** What the policy says of one caller: each rule of how zones, roles and entries add up. */
import { describe, expect, it } from 'vitest';
import { parseTarget } from '../../../src/grants/index.ts';
import { createCallerRules, parsePolicy } from '../../../src/guard/index.ts';
import type { CallerRules, Principal } from '../../../src/guard/index.ts';
import { isInNamespace } from '../../../src/guard/policy/caller-rules.ts';
import { alice } from '../../grants/arrange.ts';
import { peer } from '../governed-node.ts';

const MEMBER = peer(alice, 'laptop');

function rulesOf(yaml: string, principal: Principal = MEMBER, isMember = true): CallerRules {
  const policy = parsePolicy(yaml, 'the test');
  const mesh = { isOpen: () => false, isMember: () => isMember, formerly: () => [] };
  return createCallerRules({ policy: { current: () => policy }, mesh }).of(principal);
}

const inNamespaces = (names: string, resource: string): boolean => {
  const { namespaces } = rulesOf(`zones: { trusted: { allowed_namespaces: [${names}] } }`);
  return namespaces.every(({ value }) => isInNamespace(value, parseTarget(resource)));
};

describe('the rules of a caller', () => {
  it('have the lowest of each limit, and say where it stands', () => {
    const rules = rulesOf(`
zones: { trusted: { max_replicas: 5, budget_limit: 3, alert_threshold: 0.9 } }
roles: { a: { max_replicas: 3, budget_limit: 3 }, b: { max_replicas: 4, alert_threshold: 0.5 } }
callers: { peer:laptop: { roles: [a, b], budget_limit: 4 } }
`);
    expect(rules.maxReplicas).toEqual({ where: 'roles.a.max_replicas', value: 3 });
    // Of two that are the same, the first counts.
    expect(rules.budgetLimit).toEqual({ where: 'zones.trusted.budget_limit', value: 3 });
    expect(rules.alertThreshold).toEqual({ where: 'roles.b.alert_threshold', value: 0.5 });
  });

  it('have the shortest delay before an escalation, and none where nobody gave one', () => {
    const yaml =
      'roles: { a: { escalation_delay: 5m } }\ncallers: { peer:laptop: { roles: [a], escalation_delay: 90s } }';
    expect(rulesOf(yaml).escalationDelayMs).toBe(90_000);
    expect(rulesOf('').escalationDelayMs).toBeUndefined();
  });

  it('let a caller answer approvals if any role or entry of it does; the operator always', () => {
    const yaml = 'roles: { a: { may_approve: true }, b: { may_approve: false }, c: {} }\n';
    expect(rulesOf(`${yaml}callers: { peer:laptop: { roles: [b, a] } }`).mayApprove).toBe(true);
    expect(rulesOf(`${yaml}callers: { peer:laptop: { roles: [b, c] } }`).mayApprove).toBe(false);
    expect(rulesOf(`${yaml}callers: { peer:laptop: { roles: [c] } }`).mayApprove).toBe(false);
    expect(rulesOf(yaml).mayApprove).toBe(false);
    expect(rulesOf(yaml, { kind: 'operator' }).mayApprove).toBe(true);
  });

  it('have the least trusted of the zones that are named for it', () => {
    const zones = (first: string, second: string): string =>
      rulesOf(`callers: { peer:laptop: { zone: ${first} }, '${alice.did}': { zone: ${second} } }`)
        .zone;
    expect(zones('local', 'external')).toBe('external');
    expect(zones('external', 'local')).toBe('external');
    expect(zones('local', 'trusted')).toBe('trusted');
    expect(zones('local', 'local')).toBe('local');
  });

  it('are for whoever is named, not for what every object has', () => {
    const named: Principal = { kind: 'client', name: 'x', scopes: [] };
    expect(rulesOf('callers: { client:y: { read_only: true } }', named).readOnly).toBeUndefined();
    expect(rulesOf('callers: { client:x: { read_only: true } }', named).readOnly).toEqual({
      where: 'callers.client:x.read_only',
      value: true,
    });
  });

  it('are worked out anew for another policy and for another zone, and else are the same', () => {
    let policy = parsePolicy('zones: { trusted: { trust: 0.6 }, external: { trust: 0.2 } }', 'one');
    let isOpen = false;
    const lookup = createCallerRules({
      policy: { current: () => policy },
      mesh: { isOpen: () => isOpen, isMember: () => true, formerly: () => [] },
    });
    const first = lookup.of(MEMBER);
    expect(first.trust).toBe(0.6);
    expect(lookup.of(MEMBER)).toBe(first);
    isOpen = true;
    expect(lookup.of(MEMBER)).toMatchObject({ zone: 'external', trust: 0.2 });
    policy = parsePolicy('zones: { external: { trust: 0.1 } }', 'two');
    expect(lookup.of(MEMBER).trust).toBe(0.1);
  });
});

describe('a namespace', () => {
  it.each([
    ['files', 'tool:files/read', true],
    ['files', 'board:files', true],
    ['files', 'tool:files2/read', false],
    ['files', 'tool:file/read', false],
    ["'board:plan*'", 'board:plan', true],
    ["'board:plan*'", 'board:planning', true],
    ["'board:plan*'", 'tool:plan/x', false],
    ["'*files'", 'tool:my-files/x', true],
    ["'*files'", 'tool:files-old/x', false],
    ["'a*a'", 'tool:a/x', false],
    ["'a*a'", 'tool:aa/x', true],
    ["'a*b*c'", 'tool:abc/x', true],
    ["'a*b*c'", 'tool:a-b-c/x', true],
    ["'a*b*c'", 'tool:acb/x', false],
    ["'a*bb*bc'", 'tool:abbc/x', false],
    ["'a*bb*bc'", 'tool:abbbc/x', true],
    ["'a*b*b*c'", 'tool:abc/x', false],
    ["'a*b*b*c'", 'tool:abbc/x', true],
    ["'*'", 'tool:anything/x', true],
    ["'@alice'", 'tool:@alice/files/x', true],
    ["'@alice'", 'tool:@bob/files/x', false],
  ])('%s has %s: %s', (names, resource, expected) => {
    expect(inNamespaces(names, resource)).toBe(expected);
  });
});
