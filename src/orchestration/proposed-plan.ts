/** A plan as a model proposes it: read strictly, made of what members can do and of nothing else, and checked as any other. */
import { z } from 'zod';
import { StarlingError, messageOf, misfitText } from '../core/index.ts';
import type { JsonObject } from '../core/index.ts';
import { PARALLEL_MAX, PHASES_MAX } from './limits.ts';
import { planOf } from './plan.ts';
import type { PhaseInit } from './plan.ts';

/** What a model is asked for a plan with. */
export interface PlanWanted {
  readonly model: string;
  /** What members can do, each once. */
  readonly capabilities: readonly string[];
  /** What the plan must have. */
  readonly required: readonly string[];
}

const name = z.string().min(1).max(128);
const PROPOSED = z.strictObject({
  phases: z
    .array(
      z.strictObject({
        name,
        capability: name,
        dependencies: z.array(name).max(PHASES_MAX).optional(),
        role: z.enum(['worker', 'validator']).optional(),
        copies: z.number().int().min(1).max(PARALLEL_MAX).optional(),
      }),
    )
    .max(PHASES_MAX),
});

/** The phases that a model has named, where they can be done. @throws STARLING_MODEL_INVALID, which says what is wrong */
export function proposedPhases(value: JsonObject, wanted: PlanWanted): readonly PhaseInit[] {
  const read = PROPOSED.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw unfit(wanted, issue === undefined ? 'it is no plan' : misfitText(issue, 'it'));
  }
  const { phases } = read.data;
  const unknown = phases.find(({ capability }) => !wanted.capabilities.includes(capability));
  if (unknown !== undefined) throw unfit(wanted, `no member can do '${unknown.capability}'`);
  const has = new Set(phases.map(({ capability }) => capability));
  const missing = wanted.required.filter((one) => !has.has(one));
  if (missing.length > 0) throw unfit(wanted, `it leaves out ${missing.join(', ')}`);
  try {
    planOf(phases, 1);
  } catch (error) {
    throw unfit(wanted, messageOf(error));
  }
  return phases;
}

function unfit({ model }: PlanWanted, why: string): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_INVALID',
    `the plan that ${model} proposes can't be done: ${why}`,
    { hint: 'ask again, take another model, or give the phases yourself' },
  );
}
