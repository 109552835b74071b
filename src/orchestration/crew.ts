/** Who of a swarm does a phase, and why. */
import type { Agents, AgentView } from '../agents/index.ts';
import type { Principal } from '../guard/index.ts';
import { memberId } from '../swarms/index.ts';
import type { LogLine, Seat, Swarm, Swarms } from '../swarms/index.ts';
import type { Phase, SeatRow } from './types.ts';

/** What choosing takes. */
export interface CrewComponents {
  readonly agents: Pick<Agents, 'candidates' | 'list'>;
  readonly swarms: Pick<Swarms, 'endpointOf'>;
}

/** What is to be filled. */
export interface CrewInit {
  readonly principal: Principal;
  readonly swarm: Swarm;
  readonly phase: Phase;
  /** Members that are not to have it. */
  readonly without: ReadonlySet<string>;
  /** How often each member has something in this plan already. */
  readonly busy: ReadonlyMap<string, number>;
  readonly log: readonly LogLine[];
  readonly count: number;
}

/** Somebody who could have a place. */
export type Chosen = Pick<SeatRow, 'did' | 'endpoint' | 'member' | 'weight' | 'why'>;

/**
 * As many as there are, the best first: members with the capability that are online, in the order of those who were asked
 * on the spot, and who has less of this plan before who has more. Empty where there is nobody.
 */
export async function chooseCrew(
  { agents, swarms }: CrewComponents,
  { busy, count, log, phase, principal, swarm, without }: CrewInit,
): Promise<readonly Chosen[]> {
  const { capability, role } = phase;
  const asked = await agents
    .candidates(principal, { capability })
    // Nobody has it.
    .catch((): readonly AgentView[] => []);
  const seats = new Map(swarm.seats.map((seat) => [swarms.endpointOf(seat), seat]));
  const able = asked.flatMap((view, rank) => {
    const seat = seats.get(view.endpoint);
    const isFit = seat?.joined === true && (role === 'validator' || seat.role !== 'validator');
    return seat !== undefined && isFit && view.status === 'online' && !without.has(memberId(seat))
      ? [{ view, seat, rank }]
      : [];
  });
  const load = (seat: Seat): number => busy.get(memberId(seat)) ?? 0;
  const fit = (seat: Seat): number => (seat.role === role ? 0 : 1);
  const order = able.toSorted(
    (one, other) =>
      fit(one.seat) - fit(other.seat) || load(one.seat) - load(other.seat) || one.rank - other.rank,
  );
  return order.slice(0, count).map(({ view, seat, rank }) => {
    const member = memberId(seat);
    const weight = expertiseOf(log, member, capability);
    const runs = log.filter((line) => line.agent === member && line.capability === capability);
    const why = [
      `has ${capability}`,
      runs.length === 0
        ? 'nothing is known of it yet'
        : `did it well ${runs.filter(({ ok }) => ok).length} of ${runs.length} times`,
      `${view.free} free`,
      rank === 0 ? 'the freer one of two that were asked' : `asked as number ${rank + 1}`,
    ].join(', ');
    return { member, did: seat.did, endpoint: view.endpoint, weight, why };
  });
}

/** The chance that it does well, by what this node has seen: a half where nothing is known (Laplace). */
export function expertiseOf(log: readonly LogLine[], member: string, capability: string): number {
  const runs = log.filter((line) => line.agent === member && line.capability === capability);
  return (runs.filter(({ ok }) => ok).length + 1) / (runs.length + 2);
}

/** The median of how long the capability took, ms; undefined where it was never done. */
export function medianOf(log: readonly LogLine[], capability: string): number | undefined {
  const all = log
    .filter((line) => line.ok && line.capability === capability)
    .map(({ ms }) => ms)
    .toSorted((one, other) => one - other);
  const middle = Math.floor(all.length / 2);
  if (all.length === 0) return undefined;
  if (all.length % 2 === 1) return all[middle];
  return ((all[middle - 1] ?? 0) + (all[middle] ?? 0)) / 2;
}
