/** Who is to do each phase of plans, before anything is done. */
import { StarlingError } from '../core/index.ts';
import type { AgentView } from '../agents/index.ts';
import type { Swarms } from '../swarms/index.ts';
import { chooseCrew } from './crew.ts';
import type { CrewComponents, CrewInit } from './crew.ts';
import { areApart } from './plan.ts';
import type { Phase, PhaseRow, PlanOrder, SeatRow } from './types.ts';

/** What choosing takes. */
export interface FirstCrewsComponents extends CrewComponents {
  readonly swarms: Swarms;
}

/** By whose right, of which swarm; and whether the plans are only to be seen. */
export interface FirstCrewsInit extends Pick<CrewInit, 'principal' | 'swarm'> {
  readonly isDry: boolean;
}

type Choosing = Pick<CrewInit, 'busy' | 'log' | 'principal' | 'swarm'>;

/**
 * Crews for the phases of each plan: whoever checks is chosen first, or last where others come off better so. Who is asked
 * how much there is to do is asked once for all plans, and who has less of these comes before who has more.
 * @throws STARLING_SWARM_REFUSED where nobody can do a phase, unless the plans are only to be seen
 */
export async function firstCrews(
  components: FirstCrewsComponents,
  orders: readonly PlanOrder[],
  { isDry, principal, swarm }: FirstCrewsInit,
): Promise<readonly (readonly PhaseRow[])[]> {
  const log = await components.swarms.log(swarm.id);
  const asking = askedOnce(components);
  const busy = new Map<string, number>();
  const all: (readonly PhaseRow[])[] = [];
  for (const order of orders) {
    const given = { principal, swarm, log, busy };
    let rows = await crewsInOrder(asking, order, { ...given, first: 'validator' });
    if (lackingIn(rows) > 0) {
      const others = await crewsInOrder(asking, order, { ...given, first: 'worker' });
      if (lackingIn(others) < lackingIn(rows)) rows = others;
    }
    const lacking = order.phases.filter((_, at) => rows[at]?.seats.length === 0);
    if (lacking.length > 0 && !isDry) throw nobodyCan(swarm, lacking);
    for (const { member } of rows.flatMap(({ seats }) => seats)) addTo(busy, member);
    all.push(rows);
  }
  return all;
}

/** The same, with one answer for each capability. */
function askedOnce({ agents, ...components }: FirstCrewsComponents): FirstCrewsComponents {
  const asked = new Map<string, Promise<readonly AgentView[]>>();
  return {
    ...components,
    agents: {
      list: (...init) => agents.list(...init),
      candidates(principal, init) {
        const known = asked.get(init.capability) ?? agents.candidates(principal, init);
        asked.set(init.capability, known);
        return known;
      },
    },
  };
}

function lackingIn(rows: readonly PhaseRow[]): number {
  return rows.filter(({ seats }) => seats.length === 0).length;
}

async function crewsInOrder(
  components: CrewComponents,
  { phases }: PlanOrder,
  { first, ...init }: Choosing & { readonly first: Phase['role'] },
): Promise<readonly PhaseRow[]> {
  const busy = new Map(init.busy);
  const rows = new Map<string, PhaseRow>();
  const inOrder = [
    ...phases.filter(({ role }) => role === first),
    ...phases.filter(({ role }) => role !== first),
  ];
  for (const phase of inOrder) {
    const without = new Set(
      [...rows.values()]
        .filter(({ name }) => areApart(phases, phase.name, name))
        .flatMap(({ seats }) => seats.map(({ member }) => member)),
    );
    const given = { ...init, phase, without, busy, count: phase.copies };
    const crew = await chooseCrew(components, given);
    for (const { member } of crew) addTo(busy, member);
    const seats = crew.map((one, place): SeatRow => ({ ...one, round: 0, place, nth: 0 }));
    rows.set(phase.name, { name: phase.name, status: 'waiting', round: 0, seats });
  }
  return phases.flatMap(({ name }) => rows.get(name) ?? []);
}

function addTo(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function nobodyCan(
  { id, name }: { readonly id: string; readonly name: string },
  lacking: readonly Phase[],
): StarlingError {
  const needs = lacking.map(({ capability, role }) =>
    role === 'validator' ? `${capability} (to check, by somebody who did not do it)` : capability,
  );
  return new StarlingError(
    'STARLING_SWARM_REFUSED',
    `nobody in the swarm ${name} who is online and may be given a task can do: ${needs.join(', ')}`,
    {
      hint: `see who is in it: starling swarm status ${name}`,
      data: { swarmId: id, reason: 'capability' },
    },
  );
}
