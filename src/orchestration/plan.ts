/** Plans: phases that wait for one another, made from what is needed, or as somebody gives them and then checked. Pure. */
import { StarlingError } from '../core/index.ts';
import { PHASES_MAX } from './limits.ts';
import type { Phase } from './types.ts';

/** A phase as somebody gives it. */
export interface PhaseInit {
  readonly name: string;
  readonly capability: string;
  readonly dependencies?: readonly string[] | undefined;
  readonly role?: 'worker' | 'validator' | undefined;
  readonly copies?: number | undefined;
}

/** What a plan is made from where nobody gives one. */
export interface PlanInit {
  readonly capabilities: readonly string[];
  readonly sequential: boolean;
  /** Agents for each phase that is not a check. */
  readonly copies: number;
  /** The swarm has members that only check. */
  readonly hasValidators: boolean;
}

/** Capabilities that are about what others did. */
const CHECKS = /^(?:check|review|test|validat|verif)/u;

/**
 * A phase for each capability. The last one, where its name says that it checks, or one more, where the swarm has
 * validators, waits for all others. @throws STARLING_USAGE
 */
export function planFrom({
  capabilities,
  copies,
  hasValidators,
  sequential,
}: PlanInit): readonly Phase[] {
  const names = [...new Set(capabilities)];
  const last = names.at(-1);
  const isCheck = last !== undefined && names.length > 1 && CHECKS.test(last);
  const works = isCheck ? names.slice(0, -1) : names;
  const workers = works.map((capability, at): Phase => ({
    name: capability,
    capability,
    dependencies: sequential && at > 0 ? works.slice(at - 1, at) : [],
    role: 'worker',
    copies,
  }));
  const checks = isCheck ? [last] : hasValidators ? works.slice(0, 1) : [];
  const validators = checks.map((capability): Phase => ({
    name: isCheck ? capability : 'validation',
    capability,
    dependencies: sequential ? works.slice(-1) : works,
    role: 'validator',
    copies: 1,
  }));
  return checkPlan([...workers, ...validators]);
}

/** What somebody gives, where it can be done. @throws STARLING_USAGE, which names phases that wait for one another */
export function planOf(phases: readonly PhaseInit[], copies: number): readonly Phase[] {
  return checkPlan(
    phases.map(({ name, capability, dependencies = [], role = 'worker', ...phase }) => ({
      name,
      capability,
      dependencies,
      role,
      copies: phase.copies ?? (role === 'validator' ? 1 : copies),
    })),
  );
}

function checkPlan(phases: readonly Phase[]): readonly Phase[] {
  if (phases.length === 0) throw usage('a plan needs what an agent must be able to do');
  if (phases.length > PHASES_MAX) {
    throw usage(`a plan has ${PHASES_MAX} phases at the most, and this one has ${phases.length}`);
  }
  const names = phases.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw usage(`two phases are called '${twice}'`);
  for (const { name, dependencies, role } of phases) {
    const unknown = dependencies.find((one) => !names.includes(one));
    if (unknown !== undefined) {
      throw usage(`the phase '${name}' waits for '${unknown}', which is none`);
    }
    if (role === 'validator' && dependencies.length === 0) {
      throw usage(`the phase '${name}' checks, and says by its dependencies what`);
    }
  }
  const cycle = cycleIn(phases);
  if (cycle !== undefined) {
    throw usage(`the phases wait for one another: ${cycle.join(' → ')}`);
  }
  return phases;
}

/** Phases that wait for one another, the first one again at the end; undefined where there are none. */
export function cycleIn(
  phases: readonly Pick<Phase, 'dependencies' | 'name'>[],
): readonly string[] | undefined {
  const waits = new Map(phases.map(({ name, dependencies }) => [name, dependencies]));
  const done = new Set<string>();
  const visit = (name: string, way: readonly string[]): readonly string[] | undefined => {
    const at = way.indexOf(name);
    if (at >= 0) return [...way.slice(at), name];
    if (done.has(name)) return undefined;
    for (const next of waits.get(name) ?? []) {
      const found = visit(next, [...way, name]);
      if (found !== undefined) return found;
    }
    done.add(name);
    return undefined;
  };
  for (const { name } of phases) {
    const found = visit(name, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether one of two phases checks the other: nobody does both. */
export function areApart(phases: readonly Phase[], one: string, other: string): boolean {
  return checkedBy(phases, one).has(other) || checkedBy(phases, other).has(one);
}

/** Phases on whose results a check is, whatever is between. */
function checkedBy(phases: readonly Phase[], name: string): ReadonlySet<string> {
  const found = new Set<string>();
  const dependenciesOf = (of: string): readonly string[] =>
    phases.find((phase) => phase.name === of)?.dependencies ?? [];
  if (phases.find((phase) => phase.name === name)?.role !== 'validator') return found;
  const visit = (of: string): void => {
    if (found.has(of)) return;
    found.add(of);
    for (const next of dependenciesOf(of)) visit(next);
  };
  for (const next of dependenciesOf(name)) visit(next);
  return found;
}

function usage(why: string): StarlingError {
  return new StarlingError('STARLING_USAGE', why, { hint: 'see: starling task run --help' });
}
