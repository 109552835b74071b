/** The input of the grant tools: what to grant, to whom, and under which conditions. */
import { z } from 'zod';
import type { Budgets } from '../../budget/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import { CAPABILITIES_MAX, parseResource, uriResource } from '../../grants/index.ts';
import type { Capability } from '../../grants/index.ts';
import { parseDid } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';

/** No grant and no invite outlives this. */
const EXPIRES_MAX_S = 3650 * 86_400;
/** Who may read a resource may also hear that it changed. */
const RESOURCE_ABILITIES = ['resource/read', 'resource/subscribe'] as const;
/** Abilities that the caveat `args` can speak of. */
const WITH_ARGUMENTS: readonly string[] = ['tool/call', 'prompt/get', 'agent/message'];

/** A lifetime in seconds. */
export const seconds = (description: string): z.ZodOptional<z.ZodNumber> =>
  z.number().positive().max(EXPIRES_MAX_S).optional().describe(description);

const patterns = (description: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  z.array(z.string().min(1).max(256)).max(64).optional().describe(description);

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

/** Members of an input that say what is granted. */
export const WHAT = {
  tools: patterns('Tools, e.g. `files/*`, `git/status`, `files/read_*`.'),
  resources: patterns('Resources, e.g. `files/file:///srv/docs/**`, `demo/**`.'),
  prompts: patterns('Prompts, e.g. `git/*`.'),
  servers: patterns('Servers of which everything is meant, e.g. `files`.'),
  agents: patterns('Agents to write to, e.g. `reviewer`, `team-*`.'),
  spawns: patterns('Kinds of agents to run on this node, e.g. `coder`, `team-*`.'),
  models: patterns('Language models to use, e.g. `gpu/*`, `gpu/**`.'),
} as const;

/** Members of an input that say under which conditions. */
export const CONDITIONS = {
  uses: z.number().int().positive().optional().describe('How many calls in all.'),
  rate: z
    .strictObject({ per_s: z.number().positive(), burst: z.number().int().positive() })
    .optional()
    .describe('Calls a second on average, and how many at once.'),
  args: z
    .record(
      z.string().min(1).max(256),
      z.strictObject({
        const: scalar.optional(),
        enum: z.array(scalar).min(1).max(64).optional(),
        prefix: z.string().optional(),
        minimum: z.number().optional(),
        maximum: z.number().optional(),
        paths: z.array(z.string().min(1).max(512)).min(1).max(64).optional(),
      }),
    )
    .optional()
    .describe(
      'What named arguments must be, e.g. `{"path":{"paths":["/srv/docs/**"]}}`; they must be there. Others are free.',
    ),
  hours: z
    .strictObject({
      from: z.string().describe('HH:MM'),
      to: z.string().describe('HH:MM, exclusive; before `from`: on the next day'),
      days: z
        .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
        .min(1)
        .optional(),
      zone: z.string().max(64).optional().describe('IANA time zone; default UTC.'),
    })
    .optional()
    .describe('When it counts.'),
  budget: z
    .strictObject({
      id: z.string().min(1).max(64).describe('Name or id of the budget, at this node.'),
      max: z
        .number()
        .int()
        .positive()
        .optional()
        .describe('The most that one call may cost of it.'),
    })
    .optional()
    .describe('Against what each call counts.'),
  approval: z.literal('required').optional().describe('A person here must say yes to each call.'),
  max_depth: z
    .number()
    .int()
    .min(0)
    .max(7)
    .optional()
    .describe('Through how many further hands it may go; default 0.'),
} as const;

type Conditions = z.infer<z.ZodObject<typeof CONDITIONS>>;

/** Budgets of this node, which a grant names by id: a name may mean another one tomorrow. */
export type BudgetsHere = Pick<Budgets, 'idOf'>;

/**
 * The caveats that `input` asks for; a budget by its id, where this node knows it. With `own`, it must.
 * @throws STARLING_BUDGET_UNKNOWN
 */
export function caveatsOf(
  input: Conditions,
  budgets: BudgetsHere,
  own: 'own' | 'any',
): Readonly<Record<string, Json>> {
  const { uses, rate, args, hours, approval } = input;
  const budget = input.budget === undefined ? undefined : budgetIn(input.budget, budgets, own);
  const caveats = { uses, rate, args, hours, approval, budget };
  // What JSON has no word for (absent fields) goes.
  return JSON.parse(JSON.stringify(caveats)) as Record<string, Json>;
}

function budgetIn(
  given: NonNullable<Conditions['budget']>,
  budgets: BudgetsHere,
  own: 'own' | 'any',
): Conditions['budget'] {
  try {
    return { ...given, id: budgets.idOf(given.id) };
  } catch (error) {
    // What somebody else granted counts against a budget of that one, which need not be known here.
    if (own === 'any' && error instanceof StarlingError) return given;
    throw error;
  }
}

/** `capability` under `caveats`. Arguments are asked of what has arguments. */
export function conditioned(
  capability: Capability,
  caveats: Readonly<Record<string, Json>>,
): Capability {
  const { args, ...others } = caveats;
  const own =
    args !== undefined && WITH_ARGUMENTS.includes(capability.ability)
      ? { ...others, args }
      : others;
  return Object.keys(own).length === 0 ? capability : { ...capability, caveats: own };
}

/** Whom an alias, PeerId or did:key means. @throws STARLING_PEER_UNKNOWN, STARLING_ID_MALFORMED */
export function audienceOf(membership: Pick<Membership, 'resolve'>, reference: string): Did {
  if (reference.startsWith('did:key:')) return parseDid(reference);
  return membership.resolve(reference).did;
}

/** What somebody is to have. */
export interface Granted {
  readonly tools?: readonly string[] | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly prompts?: readonly string[] | undefined;
  readonly servers?: readonly string[] | undefined;
  readonly agents?: readonly string[] | undefined;
  readonly spawns?: readonly string[] | undefined;
  readonly models?: readonly string[] | undefined;
}

/** What a grant's patterns allow. @throws STARLING_USAGE when there are none, or one is malformed */
export function capabilitiesOf(granted: Granted): readonly Capability[] {
  const {
    tools = [],
    resources = [],
    prompts = [],
    servers = [],
    agents = [],
    spawns = [],
    models = [],
  } = granted;
  const whole = servers.flatMap((server) => [
    { resource: resourceOf('tool', `${server}/**`), ability: 'tool/call' },
    { resource: resourceOf('prompt', `${server}/**`), ability: 'prompt/get' },
    ...RESOURCE_ABILITIES.map((ability) => ({
      resource: resourceOf('resource', `${server}/**`),
      ability,
    })),
  ]);
  const capabilities = [
    ...tools.map((tool) => ({ resource: resourceOf('tool', tool), ability: 'tool/call' })),
    ...prompts.map((prompt) => ({ resource: resourceOf('prompt', prompt), ability: 'prompt/get' })),
    ...resources.flatMap((pattern) =>
      RESOURCE_ABILITIES.map((ability) => ({ resource: resourceOf('resource', pattern), ability })),
    ),
    ...whole,
    ...agents.map((agent) => ({ resource: agentOf(agent), ability: 'agent/message' })),
    ...spawns.map((kind) => ({ resource: agentOf(kind), ability: 'agent/spawn' })),
    ...models.map((model) => ({ resource: modelOf(model), ability: 'model/use' })),
  ];
  if (capabilities.length > CAPABILITIES_MAX) throw tooMany(capabilities.length);
  if (capabilities.length > 0) return capabilities;
  throw new StarlingError('STARLING_USAGE', 'a grant needs something to grant', {
    hint: "name tools, resources, prompts or servers, for example --tool 'files/*'",
  });
}

function tooMany(count: number): StarlingError {
  const perServer = 2 + RESOURCE_ABILITIES.length;
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `one grant holds at most ${CAPABILITIES_MAX} rights, and this would need ${count}`,
    {
      hint: `a whole server takes ${perServer} and a resource ${RESOURCE_ABILITIES.length}: grant at most ${Math.floor(CAPABILITIES_MAX / perServer)} servers at a time, and the others by a second grant`,
      data: { limit: CAPABILITIES_MAX },
    },
  );
}

/** `coder` → `agent:coder`. @throws STARLING_USAGE */
function agentOf(name: string): string {
  if (/^[A-Za-z0-9._*-]{1,64}$/.test(name) && !name.includes('**')) return `agent:${name}`;
  throw new StarlingError('STARLING_USAGE', `'${name}' is no agent of this node`, {
    hint: "an agent's name has A-Z a-z 0-9 . _ -, with * as wildcard; see: starling agent list",
  });
}

/** `gpu/*` → `model:gpu/*`. @throws STARLING_USAGE */
function modelOf(pattern: string): string {
  try {
    if (/^[^@/]+\/./.test(pattern)) {
      parseResource(`model:${pattern}`);
      return `model:${pattern}`;
    }
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
  }
  throw new StarlingError('STARLING_USAGE', `'${pattern}' is no model of this node`, {
    hint: "a model is <provider>/<model>, like 'gpu/*'; 'gpu/**' where its own name has a slash",
  });
}

/** `files/*` → `tool:files/*`. @throws STARLING_USAGE when it is no pattern of its kind */
function resourceOf(kind: 'tool' | 'prompt' | 'resource', pattern: string): string {
  const at = pattern.indexOf('/');
  if (at <= 0) {
    const [server, name] = pattern.split('__').slice(-2);
    const sample = pattern.includes('*') ? 'files' : pattern;
    throw new StarlingError('STARLING_USAGE', `'${pattern}' is no ${kind} pattern`, {
      hint:
        name === undefined
          ? `a ${kind} is <server>/<${kind === 'resource' ? 'uri' : kind}>, for example '${sample}/*' for all of the server ${sample}`
          : `did you mean ${server}/${name}?`,
    });
  }
  const [server, rest] = [pattern.slice(0, at), pattern.slice(at + 1)];
  const isUri = kind === 'resource' && rest !== '**';
  const resource = isUri ? uriResource(server, rest) : `${kind}:${pattern}`;
  try {
    parseResource(resource);
  } catch (error) {
    throw new StarlingError('STARLING_USAGE', `'${pattern}' is no ${kind} pattern`, {
      cause: error,
      hint: `use <server>/<${kind === 'resource' ? 'uri' : kind}> with * as wildcard, for example 'files/read_*'`,
    });
  }
  return resource;
}
