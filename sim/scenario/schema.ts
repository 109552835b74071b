/** The scenario file: its keys, their forms and defaults. `config/scenario.schema.json` is generated from it. */
import { z } from 'zod';
import { NODES_MAX } from './limits.ts';

/** The engines, in the order in which they are named to people. */
export const ENGINES = ['inproc', 'netns', 'model'] as const;
/** What carries a scenario out. */
export type EngineName = (typeof ENGINES)[number];

const DURATION_FORM = /^(\d{1,7}(?:\.\d{1,3})?) ?(ms|s|m|h|d)$/;
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const SELECTOR_FORM =
  /^(?:all|first|last|others|role:[a-z][a-z-]*|n\d+(?:-n?\d+)?|(?:random|share|tail):\d+(?:\.\d+)?)$/;

const duration = z
  .string({ error: 'a duration like 500ms, 5s or 2m' })
  .regex(DURATION_FORM, { error: 'a duration like 500ms, 5s or 2m' })
  .transform(durationOf);
const skew = z
  .string({ error: 'a duration with its sign, like -2h or +45s' })
  .regex(/^[+-]\d{1,7}(?:\.\d{1,3})? ?(?:ms|s|m|h|d)$/, {
    error: 'a duration with its sign, like -2h or +45s',
  })
  .transform((text) => (text.startsWith('-') ? -1 : 1) * durationOf(text.slice(1)));
const share = z
  .number({ error: 'a number from 0 to 1' })
  .min(0, 'a number from 0 to 1')
  .max(1, 'a number from 0 to 1');
const SELECTORS =
  'all, first, last, others, n3, n3-n7, role:<role>, random:<count>, share:<0 to 1>, tail:<count>';
const selector = z.string({ error: SELECTORS }).regex(SELECTOR_FORM, { error: SELECTORS });
const nodes = z
  .union([selector.transform((one) => [one]), z.array(selector).min(1)], { error: SELECTORS })
  .describe(`Which nodes: ${SELECTORS}; or a list of these.`);
const at = duration.describe('When, from the moment that the mesh is settled (see `settle`).');
const rate = z
  .number({ error: 'a number from 0.01 to 10000' })
  .min(0.01, 'a number from 0.01 to 10000')
  .max(10_000, 'a number from 0.01 to 10000')
  .describe('How many a second, over all of `from` together.');

const linkShape = {
  delay: duration.optional().describe('One way.'),
  jitter: duration.optional().describe('Up to so much more, differently each time.'),
  loss: share.optional().describe('Share of packets that are lost.'),
  rate: z
    .number({ error: 'megabits a second' })
    .min(0.01, 'megabits a second')
    .optional()
    .describe('Megabits a second.'),
};

/** Behaviours of hostile nodes that a scenario may name. */
export const BEHAVIOURS = [
  'lying-witness',
  'gossip-flood',
  'forged-heartbeats',
  'stream-flood',
  'signed-flood',
] as const;
/** What a hostile node does. */
export type Behaviour = (typeof BEHAVIOURS)[number];

/** What may happen, by `do`. */
export const EVENTS = {
  join: z.strictObject({
    at,
    do: z.literal('join'),
    nodes,
    every: duration.optional().describe('Between two of them; default: all at once.'),
    by: nodes
      .optional()
      .describe('Whose addresses they are given; default: the first node that runs.'),
  }),
  leave: z
    .strictObject({ at, do: z.literal('leave'), nodes })
    .describe('They stop, and say goodbye.'),
  kill: z
    .strictObject({ at, do: z.literal('kill'), nodes })
    .describe('As kill -9 does: not a word to anybody.'),
  restart: z
    .strictObject({ at, do: z.literal('restart'), nodes })
    .describe('Those that do not run come back, with their state.'),
  partition: z
    .strictObject({
      at,
      do: z.literal('partition'),
      from: nodes,
      to: nodes.optional().describe('Default: all others.'),
      oneway: z
        .boolean({ error: 'true or false' })
        .default(false)
        .describe('Only what goes from `from` to `to` is lost.'),
    })
    .describe('Packets are lost in silence.'),
  heal: z.strictObject({ at, do: z.literal('heal') }).describe('All partitions are over.'),
  churn: z
    .strictObject({
      at,
      do: z.literal('churn'),
      nodes,
      for: duration,
      every: duration.describe('Between one that goes and the next.'),
      down: duration.describe('How long each is away.'),
      how: z.enum(['kill', 'leave'], { error: 'kill or leave' }).default('kill'),
    })
    .describe('Nodes go and come back, one after the other, in an order of the seed.'),
  flap: z
    .strictObject({
      at,
      do: z.literal('flap'),
      from: nodes,
      to: nodes.optional(),
      for: duration,
      down: duration,
      up: duration,
    })
    .describe('A way that is cut and mended again and again.'),
  link: z
    .strictObject({ at, do: z.literal('link'), from: nodes, to: nodes.optional(), ...linkShape })
    .describe('The ways between some nodes are otherwise from now on.'),
  calls: z
    .strictObject({ at, do: z.literal('calls'), from: nodes, to: nodes, rate, for: duration })
    .describe('Tool calls across the mesh.'),
  board: z
    .strictObject({ at, do: z.literal('board'), from: nodes, rate, for: duration })
    .describe('Writes to the shared board `sim`.'),
  tasks: z
    .strictObject({
      at,
      do: z.literal('tasks'),
      from: nodes,
      to: nodes.describe('Nodes with an agent that does them.'),
      rate,
      for: duration,
      takes: duration.default(0).describe('How long each takes its agent.'),
      durable: z
        .boolean({ error: 'true or false' })
        .default(false)
        .describe('Other nodes go on with them when their own is gone.'),
    })
    .describe('Tasks that agents do. None may be lost, and none may end twice.'),
  spend: z
    .strictObject({
      at,
      do: z.literal('spend'),
      from: nodes,
      rate,
      for: duration,
      limit: z
        .int({ error: 'a whole number from 1 to 1000000' })
        .min(1, 'a whole number from 1 to 1000000')
        .max(1_000_000, 'a whole number from 1 to 1000000')
        .describe('How many calls the budget has for all together.'),
    })
    .describe(
      'Nodes spend one budget, which the first makes. It is never overspent, and in the end all books agree.',
    ),
  records: z
    .strictObject({ at, do: z.literal('records'), from: nodes })
    .describe('Each gives a grant and revokes it: a record that all must have in the end.'),
  clock: z
    .strictObject({ at, do: z.literal('clock'), nodes, by: skew })
    .describe('Their clocks are set.'),
  disk: z
    .strictObject({
      at,
      do: z.literal('disk'),
      nodes,
      state: z.enum(['full', 'free'], { error: 'full or free' }),
    })
    .describe('Their disks are full, or have room again.'),
  slow: z
    .strictObject({
      at,
      do: z.literal('slow'),
      nodes,
      for: duration,
      share: share.describe('Share of the time in which they stand still.'),
    })
    .describe('Nodes on a machine that is too busy for them.'),
  sleep: z
    .strictObject({ at, do: z.literal('sleep'), nodes, for: duration })
    .describe('The machine sleeps: the process stands still (SIGSTOP), and its network with it.'),
  hostile: z
    .strictObject({
      at,
      do: z.literal('hostile'),
      count: z
        .int({ error: 'a whole number from 1 to 20' })
        .min(1, 'a whole number from 1 to 20')
        .max(20, 'a whole number from 1 to 20'),
      behaviour: z.enum(BEHAVIOURS, { error: BEHAVIOURS.join(', ') }),
      against: nodes.optional().describe('Default: the first node.'),
      for: duration,
    })
    .describe('Further members join that mean harm.'),
  lookups: z
    .strictObject({ at, do: z.literal('lookups'), from: nodes, rate, for: duration })
    .describe('Look-ups of a capability in the DHT.'),
  expect: z.strictObject({
    at,
    do: z.literal('expect'),
    that: z.enum(['dead', 'missed', 'alive', 'left', 'known', 'equal'], {
      error: 'dead, missed, alive, left, known or equal',
    }),
    of: nodes.optional().describe('Default: all.'),
    by: nodes.optional().describe('Who must see it; default: all that run.'),
    within: duration,
  }),
} as const;

/** What happens, by its `do`. */
export type ScenarioEvent = {
  [Verb in keyof typeof EVENTS]: z.output<(typeof EVENTS)[Verb]>;
}[keyof typeof EVENTS];
/** The word by which an event of a scenario begins. */
export type Verb = keyof typeof EVENTS;

/** What must hold all the time. */
export const DURING = {
  never: z.strictObject({
    never: z.enum(['dead', 'missed'], { error: 'dead or missed' }),
    of: nodes,
    by: nodes.optional().describe('Whose view; default: all.'),
  }),
} as const;

/** What must hold in the end. */
export const AFTER = {
  known: z
    .strictObject({ expect: z.literal('known'), within: duration })
    .describe('Each node that runs has all others that run alive.'),
  dead: z.strictObject({
    expect: z.literal('dead'),
    of: nodes,
    within: duration,
    by: nodes.optional(),
  }),
  left: z.strictObject({
    expect: z.literal('left'),
    of: nodes,
    within: duration,
    by: nodes.optional(),
  }),
  alive: z.strictObject({
    expect: z.literal('alive'),
    of: nodes,
    within: duration,
    by: nodes.optional(),
  }),
  equal: z
    .strictObject({ expect: z.literal('equal'), within: duration })
    .describe('Boards and records of all that run are equal.'),
  answered: z.strictObject({
    expect: z.literal('answered'),
    share: share.describe('Least share of the calls that had their own answer, not an error.'),
  }),
  'at-least': z
    .strictObject({
      expect: z.literal('at-least'),
      figure: z.string().regex(/^[a-zA-Z]+$/, 'the name of a figure of the report, like lies'),
      value: z.number({ error: 'a number' }),
    })
    .describe('A figure of the report is not under a value.'),
  'at-most': z
    .strictObject({
      expect: z.literal('at-most'),
      figure: z.string().regex(/^[a-zA-Z]+$/, 'the name of a figure of the report, like knownMs'),
      value: z.number({ error: 'a number' }),
    })
    .describe('A figure of the report is not over a value.'),
} as const;

export type DuringClaim = z.output<(typeof DURING)['never']>;
export type AfterClaim = {
  [Kind in keyof typeof AFTER]: z.output<(typeof AFTER)[Kind]>;
}[keyof typeof AFTER];

const eventUnion = z.discriminatedUnion(
  'do',
  Object.values(EVENTS) as unknown as [(typeof EVENTS)['join'], (typeof EVENTS)['heal']],
);
const afterUnion = z.discriminatedUnion(
  'expect',
  Object.values(AFTER) as unknown as [(typeof AFTER)['known'], (typeof AFTER)['dead']],
);

/** Everything but events and claims, which are judged one by one. */
export const scenarioSchema = z.strictObject({
  $schema: z.string().optional().describe('Where editors find the schema of this file.'),
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/, 'a name like partition-heal: a-z, 0-9 and -')
    .describe('Its name; the file is called so.'),
  about: z
    .string({ error: 'a sentence that says what is shown' })
    .min(1)
    .max(400)
    .describe('What is shown, in a sentence or two.'),
  engines: z
    .array(z.enum(ENGINES, { error: ENGINES.join(', ') }), {
      error: `a list of ${ENGINES.join(', ')}`,
    })
    .min(1)
    .describe('What can carry it out; the first one does when nobody says otherwise.'),
  seed: z
    .int({ error: 'a whole number from 0 to 4294967295' })
    .min(0)
    .max(2 ** 32 - 1)
    .default(1)
    .describe('Where all chance comes from.'),
  nodes: z.strictObject({
    count: z
      .int({ error: `a whole number from 1 to ${NODES_MAX.model}` })
      .min(1, `a whole number from 1 to ${NODES_MAX.model}`)
      .max(NODES_MAX.model, `a whole number from 1 to ${NODES_MAX.model}`)
      .describe(
        'How many there are when nobody says otherwise: the least with which the scenario says something.',
      ),
    roles: z
      .record(z.string().regex(/^[a-z][a-z-]*$/, 'a name of a-z and -'), nodes)
      .default({})
      .describe(
        'Names for some of them. `provider`: has an MCP server; `relayed`: can not be dialled, only by way of relays.',
      ),
    late: nodes
      .optional()
      .describe('Those that are not there from the start, but come by an event `join`.'),
  }),
  links: z
    .strictObject({
      default: z.strictObject(linkShape).prefault({}),
      between: z.array(z.strictObject({ from: nodes, to: nodes, ...linkShape })).default([]),
    })
    .prefault({})
    .describe('How the ways between nodes are.'),
  settle: duration
    .optional()
    .describe(
      'How long the nodes of the start may take to know one another; the time of the events begins then. Without it, it begins before the first of them starts.',
    ),
  every: duration
    .optional()
    .describe('Between the starts of two nodes; default: one as soon as the one before is up.'),
  heartbeat: duration
    .optional()
    .describe(
      'Interval of the heartbeats, in place of the usual one: a shorter one makes a scenario quicker.',
    ),
  events: z.array(eventUnion).default([]).describe('What happens, and when.'),
  during: z
    .array(DURING.never)
    .default([])
    .describe('What must hold all the time. That no call is lost in silence is always held.'),
  after: z.array(afterUnion).min(1).describe('What must hold in the end.'),
});

/** A scenario as it was read, durations in ms. */
export type Scenario = Omit<z.output<typeof scenarioSchema>, 'events' | 'after'> & {
  readonly events: readonly ScenarioEvent[];
  readonly after: readonly AfterClaim[];
};

/** How a way between two nodes is; what is absent is as for all. */
export type LinkShape = z.output<typeof scenarioSchema>['links']['default'];

/** The schema of scenario files, for editors and for `config/scenario.schema.json`. */
export function scenarioJsonSchema(): object {
  const schema = z.toJSONSchema(scenarioSchema, { io: 'input', unrepresentable: 'any' });
  return {
    $id: 'scenario.schema.json',
    title: 'Starling scenario',
    ...(JSON.parse(JSON.stringify(schema)) as object),
  };
}

function durationOf(text: string): number {
  const [, count = '', unit = ''] = DURATION_FORM.exec(text) ?? [];
  return Number(count) * (UNITS[unit] ?? Number.NaN);
}
