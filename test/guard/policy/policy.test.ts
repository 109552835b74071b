/** The policy file: what it may say, what is wrong with it, and how two of them differ. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError, durationMs } from '../../../src/core/index.ts';
import {
  defaultPolicy,
  parsePolicy,
  policyChanges,
  policyRules,
} from '../../../src/guard/index.ts';
import { policyJsonSchema } from '../../../src/guard/policy/schema.ts';
import { anyText } from '../../fixtures/any-text.ts';
import { upTo } from '../../long/extent.ts';

const read = (text: string): ReturnType<typeof parsePolicy> => parsePolicy(text, 'policy.yaml');

function problemsOf(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof StarlingError && error.code === 'STARLING_CONFIG_INVALID') {
      return error.message;
    }
    throw error;
  }
  throw new Error('it was taken');
}

describe("PacketFlow's agent_policies", () => {
  // As its document writes them.
  const BLOCK = `{
    "agent_policies": {
      "deployment_agent": {
        "max_replicas": 10,
        "allowed_namespaces": ["staging", "prod"],
        "approval_required": ["prod"],
        "budget_limit": "$100/hour"
      },
      "monitoring_agent": {
        "read_only": true,
        "alert_threshold": "critical",
        "escalation_delay": "5min"
      }
    }
  }`;

  it('are entries of callers, for the clients of these names', () => {
    const { file, warnings } = read(BLOCK);
    expect(warnings).toEqual([]);
    expect(file.callers).toEqual({
      'client:deployment_agent': {
        roles: [],
        max_replicas: 10,
        allowed_namespaces: ['staging', 'prod'],
        approval_required: ['prod'],
        budget_limit: '$100/hour',
      },
      'client:monitoring_agent': {
        roles: [],
        read_only: true,
        alert_threshold: 0.9,
        escalation_delay: '5m',
      },
    });
  });

  it('are refused in the words of the file', () => {
    expect(problemsOf(BLOCK.replace('$100/hour', '100 apples'))).toContain(
      'agent_policies.deployment_agent.budget_limit',
    );
    expect(problemsOf('{ agent_policies: [] }')).toContain('agent_policies');
    expect(
      problemsOf(
        '{ agent_policies: { x: { read_only: true } }, callers: { "client:x": { read_only: true } } }',
      ),
    ).toContain('callers has an entry client:x, too');
  });

  it.each([['"$100/hour"'], ['"20usd"'], ['"50000 tokens/day"'], ['7']])(
    'budget_limit takes %s',
    (limit) => {
      const { file } = read(`{ zones: { trusted: { budget_limit: ${limit} } } }`);
      expect(String(file.zones.trusted.budget_limit)).toBe(limit.replaceAll('"', ''));
    },
  );
});

describe('the shipped policy', () => {
  // A pin: these values are promised in the README.
  it('has three zones, four resource types, and the weights of the guardian', () => {
    const { file, types } = defaultPolicy();
    expect(file.zones).toEqual({
      local: { trust: 0.9 },
      trusted: { trust: 0.7 },
      external: { trust: 0.5 },
    });
    expect(Object.entries(types).map(([name, { risk }]) => [name, risk])).toEqual([
      ['SAP_API', 0.5],
      ['FINANCIAL_API', 0.7],
      ['EXTERNAL_SERVICE', 0.4],
      ['DATA_EXPORT', 0.6],
    ]);
    expect(file.guardian).toEqual({
      weights: { justification: 0.4, trust: 0.3, risk: 0.3 },
      grant_at: 0.5,
      ask_at: 0.4,
      justification_min: 0.3,
      trust_min: 0.4,
      risk_max: 0.8,
      broad_scope: 0.2,
      write_scope: 0.2,
      lifetime: '5m',
      requests_per_minute: 10,
    });
    expect(file.approvals).toEqual({ timeout: '10m', permission_timeout: '1d' });
  });

  it('is frozen through and through', () => {
    const { file } = defaultPolicy();
    expect(Object.isFrozen(file.zones.local)).toBe(true);
    expect(Object.isFrozen(file.guardian.weights)).toBe(true);
  });
});

describe('a policy file', () => {
  it('may say all that the form allows', () => {
    const { file, types } = read(`
version: 1
zones: { external: { trust: 0.2, read_only: true, approval_required: true } }
resource_types:
  SAP_API: { resources: [sap/*] }
  PAYROLL: { risk: 0.75, lifetime: 1m, restrictions: { uses: 1, rate: { per_s: 1, burst: 2 } } }
roles:
  analyst: { trust: 0.8, read_only: true, allowed_namespaces: [files, 'board:plan*'] }
callers:
  peer:bob: { roles: [analyst], approval_required: ['files/write_*'], max_replicas: 3 }
  client:ci: { budget_limit: 12.5, alert_threshold: 0.8, escalation_delay: 90s }
  operator: { approval_required: ['tool:@alice/**'] }
`);
    expect(types['SAP_API']).toEqual({
      risk: 0.5,
      resources: ['tool:sap/*'],
      restrictions: { read_only: true, uses: 100 },
    });
    expect(types['PAYROLL']?.risk).toBe(0.75);
    expect(file.callers['peer:bob']?.roles).toEqual(['analyst']);
  });

  it.each([
    ['zones: { lokal: {} }', "zones.lokal: unknown key; did you mean 'local'?"],
    ['zones: { local: { trust: 2 } }', "zones.local.trust: 2 can't be used; allowed: a number"],
    [
      'callers: { bob: {} }',
      "callers.bob: this name can't be used; allowed: operator, peer:<alias>",
    ],
    ['callers: { peer:bob: { roles: [boss] } }', 'no role is called boss; known: none yet'],
    ['callers: { peer:bob: { zone: moon } }', 'allowed: local, trusted, external'],
    ['roles: { a: { escalation_delay: soon } }', 'a duration like 90s, 5min, 8h or 7d'],
    ['roles: { a: { approval_required: ["/"] } }', "a pattern like 'files/write_*'"],
    ['roles: { a: { approval_required: maybe } }', 'true, false or a list of patterns'],
    ['roles: { a: { max_replicas: -1 } }', 'roles.a.max_replicas: -1'],
    ['resource_types: { MINE: {} }', 'resource_types.MINE.risk: it is missing'],
    ['guardian: { weights: { trust: 0.9 } }', 'guardian.weights: weights must add up to 1'],
    ['guardian: { ask_at: 0.9 }', 'ask_at must not be above grant_at'],
    ['version: 2', 'version: 2'],
    ['roles: { a: { approval_required: [starling/**] } }', 'nobody could answer its own'],
    ['zones: [', 'it is not YAML that we can read: Flow sequence'],
    ['zones: {}\nzones: {}', 'Map keys must be unique'],
    ['a: 1\n---\nb: 2', 'multiple documents'],
    ['zones: !!js/function x', 'Unresolved tag'],
    ['just words', 'an object'],
  ])('that says %j is refused, and told why', (text, why) => {
    expect(problemsOf(text)).toContain(why);
    expect(problemsOf(text)).toMatch(/^policy\.yaml has (a problem|\d+ problems):\n/);
  });

  it('may still say agents where callers is meant, and is told to say so', () => {
    const old = read('agents: { peer:bob: { read_only: true } }');
    const today = read('callers: { peer:bob: { read_only: true } }');
    expect(old.file).toEqual(today.file);
    expect(old.warnings).toEqual([
      'agents: this key is called callers now, and agents will mean something else; rename it to callers',
    ]);
    expect(today.warnings).toEqual([]);
    expect(policyChanges(old, today)).toEqual([]);
  });

  it('is refused when it says both, with all else that is wrong with it', () => {
    const said = problemsOf(
      'agents: { peer:bob: {} }\ncallers: { peer:eve: { roles: [boss], zone: moon } }',
    );
    expect(said).toContain('agents: it is the old name of callers, which is there too');
    expect(said).toContain('callers.peer:eve.zone');
    expect(problemsOf('agents: {}\ncallers: {}')).toContain(
      'agents: it is the old name of callers',
    );
    expect(problemsOf('agents: {}\ncallers: { peer:eve: { roles: [boss] } }')).toContain(
      '2 problems',
    );
  });

  it.each([
    ['agents: { bob: {} }', "agents.bob: this name can't be used"],
    ['agents: { peer:bob: { roles: [boss] } }', 'agents.peer:bob.roles: no role is called boss'],
    [
      'agents: { peer:bob: { approval_required: [starling/**] } }',
      'agents.peer:bob.approval_required',
    ],
    ['agents: 7', 'agents: 7'],
    ['callerz: {}', "callerz: unknown key; did you mean 'callers'?"],
  ])('that says %j is told what is wrong in its own words', (text, why) => {
    expect(problemsOf(text)).toContain(why);
  });

  it('lists all that is wrong at once', () => {
    const said = problemsOf('zones: { local: { trust: x } }\nroles: { a: { read_only: 1 } }');
    expect(said).toContain('2 problems');
    expect(said).toContain('roles.a.read_only: 1');
  });

  it('can not blow up by aliases', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 10; level += 1) {
      const aliases = Array.from({ length: 10 }, () => `*a${level - 1}`).join(', ');
      lines.push(`a${level}: &a${level} [${aliases}]`);
    }
    expect(problemsOf(lines.join('\n'))).toMatch(/anchors|Excessive/);
  });

  it('that is over 1 MiB is refused unread', () => {
    expect(problemsOf(`# ${'x'.repeat(1024 * 1024)}`)).toContain('it is over 1 MiB');
  });

  it('is either taken or refused with reasons, whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(anyText(), fc.json()), (text) => {
        try {
          read(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'STARLING_CONFIG_INVALID' });
        }
      }),
      { numRuns: upTo(80, 1000), seed: 4 },
    );
  });
});

it('the example of a policy file holds', async () => {
  const file = resolve(import.meta.dirname, '../../../config/policy.example.yaml');
  const { types } = read(await readFile(file, 'utf8'));
  expect(types['EXTERNAL_SERVICE']?.resources).toEqual(['tool:weather/*']);
});

describe('the difference of two policies', () => {
  it('names each key with both values', () => {
    const before = read('roles: { a: { read_only: true } }');
    const after = read(
      'zones: { local: { trust: 0.8 } }\nresource_types: { SAP_API: { risk: 0.6 } }',
    );
    expect(policyChanges(before, after)).toEqual([
      { key: 'resource_types.SAP_API.risk', from: '0.5', to: '0.6' },
      { key: 'roles', to: '{}' },
      { key: 'roles.a.read_only', from: 'true' },
      { key: 'zones.local.trust', from: '0.9', to: '0.8' },
    ]);
    expect(policyChanges(after, after)).toEqual([]);
  });

  it('is told with all that it says, and what of that is shipped', () => {
    const rules = policyRules(
      read('zones: { local: { trust: 0.8 } }\nroles: { a: { read_only: true } }'),
    );
    expect(rules.filter(({ isShipped }) => !isShipped)).toEqual([
      { key: 'zones.local.trust', value: '0.8', isShipped: false },
      { key: 'roles.a.read_only', value: 'true', isShipped: false },
    ]);
    expect(rules).toContainEqual({ key: 'zones.trusted.trust', value: '0.7', isShipped: true });
    expect(policyRules(defaultPolicy()).every(({ isShipped }) => isShipped)).toBe(true);
  });
});

it('durations are read as they are written', () => {
  expect(['90s', '15m', '8h', '7d', '1 d'].map(durationMs)).toEqual([
    90_000, 900_000, 28_800_000, 604_800_000, 86_400_000,
  ]);
});

describe('the JSON Schema of the policy file', () => {
  it('is what `npm run schema` writes', async () => {
    const file = resolve(import.meta.dirname, '../../../config/policy.schema.json');
    expect(await readFile(file, 'utf8')).toBe(`${JSON.stringify(policyJsonSchema(), null, 2)}\n`);
  });
});
