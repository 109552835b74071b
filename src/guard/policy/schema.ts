/**
 * The policy file: its keys, their forms and defaults. The JSON Schema is generated from it. Keys are
 * those that the file's readers know from elsewhere, so they are in snake case.
 */
import { DURATION, readLimit } from '../../core/index.ts';
import { z } from 'zod';
import type { JsonObject } from '../../core/index.ts';
import { parseResource } from '../../grants/index.ts';
import { ZONES, isCallerName } from '../principal-names.ts';
import { isBareWord, toPatterns } from './tool-pattern.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** A scheme and a name with `*`, or the name alone. */
const NAMESPACE = /^([a-z]+:)?[^\s:/]{1,128}$/;
const LIST_MAX = 256;
const ENTRIES_MAX = 4096;

const flag = z.boolean({ error: 'true or false' });
const share = (what: string): z.ZodNumber => z.number({ error: what }).min(0, what).max(1, what);
const unit = share('a number from 0 to 1');
const duration = z
  .string({ error: 'a duration like 90s, 15m, 8h or 7d' })
  .regex(DURATION, 'a duration like 90s, 15m, 8h or 7d');
/** As others write minutes. */
const delay = z
  .string({ error: 'a duration like 90s, 5min, 8h or 7d' })
  .transform((text) => text.replace(/^(\d{1,6}) ?min$/, '$1m'))
  .pipe(z.string().regex(DURATION, 'a duration like 90s, 5min, 8h or 7d'));
/** Words for shares. */
const SHARE_WORDS = { low: 0.25, medium: 0.5, high: 0.75, critical: 0.9 } as const;
const threshold = z
  .union([unit, z.enum(['low', 'medium', 'high', 'critical'])], {
    error: 'a number from 0 to 1, or low, medium, high or critical',
  })
  .transform((value) => (typeof value === 'number' ? value : SHARE_WORDS[value]));
const spendLimit = "a number, or an amount like '$100/hour', '20usd' or '50000 tokens/day'";
const limitOfBudget = z.union(
  [z.number().min(0), z.string().refine((text) => readLimit(text) !== undefined, spendLimit)],
  { error: spendLimit },
);
const name = z.string().regex(NAME, '1 to 64 of letters, digits, _ and -');
const patternForms = "a pattern like 'files/write_*' or 'resource:files/**'";
const pattern = z.string({ error: patternForms }).refine(isOnePattern, patternForms);
const approvalForms = `${patternForms}, or a namespace like files`;
const approvalPattern = z.string({ error: approvalForms }).refine(isPattern, approvalForms);
const patterns = z.array(pattern).max(LIST_MAX);
const namespace = z
  .string({ error: 'a name with * as wildcard, like files, board:plan or @alice' })
  .regex(NAMESPACE, 'a name with * as wildcard, like files, board:plan or @alice');

const limits = {
  read_only: flag
    .optional()
    .describe('Only tools marked read-only, reading and hearing of resources, and prompts.'),
  allowed_namespaces: z
    .array(namespace)
    .max(LIST_MAX)
    .optional()
    .describe('Only these servers, boards and so on, by name, with * as wildcard.'),
  approval_required: z
    .union([flag, z.array(approvalPattern).max(LIST_MAX)], {
      error: 'true, false or a list of patterns and namespaces',
    })
    .optional()
    .describe('What waits for a person each time: everything (true), or these patterns.'),
  max_replicas: z.int().min(0).max(100_000).optional().describe('Copies of an agent at a time.'),
  budget_limit: limitOfBudget
    .optional()
    .describe(
      'The most that a caller may spend: of one budget (a number), or in all here, of what has a price, like $100/hour.',
    ),
  alert_threshold: threshold
    .optional()
    .describe('Risk of a request, or used share of a limit, from which an alert is raised.'),
  escalation_delay: delay
    .optional()
    .describe('How long an approval may wait before it is escalated.'),
};
const callerLimits = {
  trust: unit.optional().describe('How far they are trusted; default that of the zone.'),
  may_approve: flag.optional().describe('May answer approvals, except of their own requests.'),
  ...limits,
};
const zone = (trust: number) =>
  z
    .strictObject({
      trust: unit.default(trust),
      ...limits,
      sources: z
        .array(approvalPattern)
        .max(LIST_MAX)
        .optional()
        .describe(
          'What these give counts as from this zone: agents with a model that have read it have the limits of the zone, too.',
        ),
    })
    .prefault({});

const resourceType = z.strictObject({
  risk: unit.optional().describe('Base risk; must be given for a type that is not shipped.'),
  resources: patterns
    .default([])
    .describe('What the guardian may grant of it by itself; none: it asks a person.'),
  restrictions: z
    .strictObject({
      read_only: flag.optional().describe('Only tools marked read-only.'),
      uses: z.int().min(1).max(1_000_000).optional().describe('Calls in all.'),
      rate: z
        .strictObject({
          per_s: z.number().positive().max(100_000),
          burst: z.int().min(1).max(100_000),
        })
        .optional()
        .describe('Calls a second, and how many at once.'),
      approval: flag.optional().describe('A person approves each call.'),
    })
    .optional()
    .describe('What the guardian puts on each grant of it.'),
  lifetime: duration.optional().describe("Of each grant; default the guardian's."),
});

const weights = z
  .strictObject({
    justification: unit.default(0.4),
    trust: unit.default(0.3),
    risk: unit.default(0.3),
  })
  .refine(
    (it) => Math.abs(it.justification + it.trust + it.risk - 1) < 1e-6,
    'weights must add up to 1',
  )
  .prefault({});

const guardian = z
  .strictObject({
    weights: weights.describe('Of justification, trust, and 1 - risk, in the score.'),
    grant_at: unit.default(0.5).describe('Score from which it grants.'),
    ask_at: unit.default(0.4).describe('Score from which it asks a person.'),
    justification_min: unit.default(0.3).describe('Below it, it refuses.'),
    trust_min: unit.default(0.4).describe('Below it, it asks a person.'),
    risk_max: unit.default(0.8).describe('Above it, it refuses.'),
    broad_scope: unit.default(0.2).describe('Added to the risk for a scope with wildcards.'),
    write_scope: unit.default(0.2).describe('Added to the risk for what changes things.'),
    lifetime: duration.default('5m').describe('Of its grants.'),
    requests_per_minute: z.int().min(1).max(10_000).default(10).describe('Of one caller.'),
  })
  .refine((it) => it.ask_at <= it.grant_at, 'ask_at must not be above grant_at')
  .prefault({});

/** The whole file. */
export const policySchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1, { error: '1' }).default(1).describe('Of this form of the file.'),
  zones: z
    .strictObject({
      local: zone(0.9).describe('This machine: its operator, and holders of API keys.'),
      trusted: zone(0.7).describe('Members of a private mesh.'),
      external: zone(0.5).describe('Everybody else: an open mesh, keys from elsewhere.'),
    })
    .prefault({}),
  resource_types: z
    .record(name, resourceType)
    .default({})
    .describe('What request_permission may name. SAP_API and others are there already.'),
  roles: z.record(name, z.strictObject(callerLimits)).default({}).describe('Limits with a name.'),
  callers: z
    .record(
      z
        .string()
        .refine(isCallerName, 'operator, peer:<alias>, client:<name>, a PeerId or a did:key'),
      z.strictObject({
        zone: z
          .enum(ZONES, { error: ZONES.join(', ') })
          .optional()
          .describe('Instead of theirs.'),
        roles: z.array(name).max(64).default([]),
        ...callerLimits,
      }),
    )
    .refine((it) => Object.keys(it).length <= ENTRIES_MAX, `at most ${ENTRIES_MAX} entries`)
    .default({})
    .describe('Who has which role, zone and limits. The strictest of all that apply counts.'),
  guardian: guardian.describe('How request_permission is weighed.'),
  approvals: z
    .strictObject({
      timeout: duration.default('10m').describe('A call that nobody has approved is refused.'),
      permission_timeout: duration.default('1d').describe('The same for request_permission.'),
    })
    .prefault({})
    .describe('How long approvals wait.'),
});

/** The file's content with its defaults. */
export type PolicyFile = z.output<typeof policySchema>;
/** Limits as a zone, a role or a caller may have them. */
export type PolicyLimits = z.output<z.ZodObject<typeof limits>>;
/** What the file says of one caller. */
export type PolicyCaller = PolicyFile['callers'][string];
/** What the file says of one resource type, with `risk` filled in. */
export interface ResourceType {
  readonly risk: number;
  readonly resources: readonly string[];
  readonly restrictions: NonNullable<PolicyFile['resource_types'][string]['restrictions']>;
  readonly lifetime?: string;
}

/** The types that every policy has; a file may change them key by key. */
export const SHIPPED_TYPES: Readonly<Record<string, ResourceType>> = {
  SAP_API: { risk: 0.5, resources: [], restrictions: { read_only: true, uses: 100 } },
  FINANCIAL_API: { risk: 0.7, resources: [], restrictions: { read_only: true, uses: 20 } },
  EXTERNAL_SERVICE: {
    risk: 0.4,
    resources: [],
    restrictions: { rate: { per_s: 0.2, burst: 10 } },
  },
  DATA_EXPORT: { risk: 0.6, resources: [], restrictions: { approval: true } },
};

/** The schema of the policy file, for editors and for `config/policy.schema.json`. */
export function policyJsonSchema(): JsonObject {
  const schema = z.toJSONSchema(policySchema, { io: 'input', unrepresentable: 'any' });
  return {
    $id: 'policy.schema.json',
    title: 'Starling policy',
    ...(JSON.parse(JSON.stringify(schema)) as JsonObject),
  };
}

function isOnePattern(text: string): boolean {
  return !isBareWord(text) && isPattern(text);
}

function isPattern(text: string): boolean {
  try {
    for (const pattern of toPatterns(text)) parseResource(pattern);
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'StarlingError') return false;
    throw error;
  }
}
