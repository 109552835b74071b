/** What the engines can do, and what of a scenario is too much for one. */
import { StarlingError } from '../../../src/index.ts';
import { NODES_MAX } from '../limits.ts';
import { BEHAVIOURS, ENGINES, EVENTS } from '../schema.ts';
import type { Behaviour, EngineName, LinkShape, Scenario, Verb } from '../schema.ts';

/** What an engine can do. */
export interface Abilities {
  /** In a sentence, for people. */
  readonly title: string;
  readonly nodesMax: number;
  readonly verbs: ReadonlySet<Verb>;
  readonly behaviours: ReadonlySet<Behaviour>;
  readonly links: ReadonlySet<keyof LinkShape>;
  readonly roles: ReadonlySet<string>;
}

const LINKS = ['delay', 'jitter', 'loss', 'rate'] as const;
const EVERY = Object.keys(EVENTS) as Verb[];

/** By name. */
export const ABILITIES: Readonly<Record<EngineName, Abilities>> = {
  inproc: {
    title: 'real nodes in one process, whose connections are in memory',
    nodesMax: NODES_MAX.inproc,
    verbs: new Set(EVERY.filter((verb) => !['disk', 'sleep', 'lookups'].includes(verb))),
    behaviours: new Set(BEHAVIOURS.filter((one) => one === 'lying-witness')),
    links: new Set(LINKS),
    roles: new Set(['provider']),
  },
  netns: {
    title: 'a process for each node, each in a network namespace of its own',
    nodesMax: NODES_MAX.netns,
    verbs: new Set(EVERY.filter((verb) => verb !== 'lookups')),
    behaviours: new Set(BEHAVIOURS.filter((one) => one !== 'lying-witness')),
    links: new Set(LINKS),
    roles: new Set(['provider', 'relayed']),
  },
  model: {
    title: 'discrete events, without nodes',
    nodesMax: NODES_MAX.model,
    verbs: new Set(['kill', 'partition', 'lookups'] as const),
    behaviours: new Set(),
    links: new Set(['delay', 'jitter', 'loss'] as const),
    roles: new Set(),
  },
};

/** Roles that mean something to an engine; others are only names. */
const MEANT = new Set(['provider', 'relayed']);

/** What of the scenario the engine can not do, one line each. Pure. */
export function lacking(scenario: Scenario, engine: EngineName, nodes: number): readonly string[] {
  const able = ABILITIES[engine];
  const found: string[] = [];
  if (nodes > able.nodesMax) found.push(`${nodes} nodes: it has at most ${able.nodesMax}`);
  for (const [at, event] of scenario.events.entries()) {
    const which = `event ${at + 1} (${event.do})`;
    if (!able.verbs.has(event.do)) found.push(`${which}: it can't do '${event.do}'`);
    else if (event.do === 'hostile' && !able.behaviours.has(event.behaviour)) {
      found.push(`${which}: it has no hostile node for '${event.behaviour}'`);
    }
  }
  const shapes: readonly LinkShape[] = [
    scenario.links.default,
    ...scenario.links.between,
    ...scenario.events.filter((event) => event.do === 'link'),
  ];
  for (const key of LINKS) {
    if (!able.links.has(key) && shapes.some((shape) => shape[key] !== undefined)) {
      found.push(`links: it can't do '${key}'`);
    }
  }
  for (const role of Object.keys(scenario.nodes.roles)) {
    if (MEANT.has(role) && !able.roles.has(role)) found.push(`role ${role}: it can't do that`);
  }
  return found;
}

/**
 * The engine that carries the scenario out: the one asked for, or the scenario's first.
 * @throws STARLING_USAGE, with all that it can not do and who can
 */
export function chooseEngine(
  scenario: Scenario,
  asked: string | undefined,
  nodes: number,
): EngineName {
  const name = asked ?? scenario.engines[0] ?? 'inproc';
  const engine = ENGINES.find((one) => one === name);
  if (engine === undefined) {
    throw new StarlingError(
      'STARLING_USAGE',
      `there is no engine '${name}'; there are ${ENGINES.join(', ')}`,
    );
  }
  const found = [
    ...(scenario.engines.includes(engine)
      ? []
      : [`it is meant for ${scenario.engines.join(', ')}`]),
    ...lacking(scenario, engine, nodes),
  ];
  if (found.length === 0) return engine;
  const able = scenario.engines.filter((one) => lacking(scenario, one, nodes).length === 0);
  throw new StarlingError(
    'STARLING_USAGE',
    `the engine ${engine} can't carry out ${scenario.name}:\n  ${found.join('\n  ')}`,
    { hint: able.length === 0 ? 'no engine can' : `who can: ${able.join(', ')}` },
  );
}
