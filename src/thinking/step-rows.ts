/** The steps of thoughts on the disk: each is there before it is acted on, and an ended thought stays for a while. */
import { createHash, randomBytes } from 'node:crypto';
import { isObject, messageOf } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { Table } from '../store/index.ts';
import { THOUGHTS_KEPT_MAX } from './limits.ts';
import type { Step, StepLog } from './types.ts';

/** What steps are kept with. */
export interface StepRowsComponents {
  readonly table: Table;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}

/** Whose thought it is, and about what. */
export interface ThoughtId {
  readonly agent: string;
  /** Who sent the message, and which: the same again is the same thought. */
  readonly from: string;
  readonly message: string;
  /** All of the message: another text under the same id is another thought. */
  readonly text: string;
}

/** Steps that somebody goes on with now. */
export interface OpenSteps extends StepLog {
  /** Nobody goes on with them here: they may give way to newer thoughts. */
  close(): void;
}

/** What stays of a thought that has ended, besides its answer. */
const STAY: ReadonlySet<Step['kind']> = new Set(['begun', 'chosen']);
const STEP_DIGITS = 6;
const MARK_BYTES = 8;

/** By table the prefixes of thoughts that are under way, which give way to nobody. */
const underWay = new WeakMap<Table, Map<string, number>>();

/** The steps of the thought so far; of a new one, its beginning. @throws STARLING_STATE_UNUSABLE */
export async function openSteps(components: StepRowsComponents, id: ThoughtId): Promise<OpenSteps> {
  const prefix = `${agentPrefix(id.agent)}${hashOf([id.from, id.message])}/`;
  const close = keep(components.table, prefix);
  try {
    return { ...(await readThought(components, prefix, id)), close };
  } catch (error) {
    close();
    throw error;
  }
}

function keep(table: Table, prefix: string): () => void {
  const kept = underWay.get(table) ?? new Map<string, number>();
  underWay.set(table, kept);
  kept.set(prefix, (kept.get(prefix) ?? 0) + 1);
  return () => {
    const left = (kept.get(prefix) ?? 1) - 1;
    if (left > 0) kept.set(prefix, left);
    else kept.delete(prefix);
  };
}

async function readThought(
  components: StepRowsComponents,
  prefix: string,
  id: ThoughtId,
): Promise<StepLog> {
  const { clock, table } = components;
  const digest = hashOf([id.text]);
  const known = await readSteps(components, prefix);
  const [first] = known;
  const isSame = first?.kind === 'begun' && first.digest === digest;
  const steps: Step[] = isSame ? [...known] : [];
  const log: StepLog = {
    steps,
    async add(step) {
      const value = Buffer.from(JSON.stringify(step));
      // Of what has ended the answer is enough: results fill a disk, and are read again with each new thought.
      const between =
        step.kind === 'answered' ? steps.flatMap(({ kind }, at) => (STAY.has(kind) ? [] : at)) : [];
      const keyOf = (at: number): string => `${prefix}${String(at).padStart(STEP_DIGITS, '0')}`;
      await table.batch([
        { key: keyOf(steps.length), value },
        ...between.map((at) => ({ key: keyOf(at) })),
      ]);
      steps.push(step);
    },
  };
  if (isSame) return log;
  await dropSteps(table, prefix);
  await forgetOld(components, id.agent);
  const mark = randomBytes(MARK_BYTES).toString('hex');
  await log.add({ kind: 'begun', digest, mark, at: clock.now() });
  return log;
}

/** Steps that are kept in memory alone: of a thought that ends with its caller. */
export function passingSteps(now: number): StepLog {
  const mark = randomBytes(MARK_BYTES).toString('hex');
  const steps: Step[] = [{ kind: 'begun', digest: '', mark, at: now }];
  return {
    steps,
    add: async (step) => {
      steps.push(step);
    },
  };
}

/** Whole steps from the first on: what follows a damaged one is of no use. */
async function readSteps(
  { table, logger }: StepRowsComponents,
  prefix: string,
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for await (const [key, bytes] of table.entries(prefix)) {
    try {
      const step: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
      if (!isObject(step) || typeof step['kind'] !== 'string') throw new Error('it is no step');
      steps.push(step as unknown as Step);
    } catch (error) {
      logger.warn(
        { key, error: messageOf(error) },
        'a stored step is damaged; the thought begins anew',
      );
      return [];
    }
  }
  return steps;
}

async function dropSteps(table: Table, prefix: string): Promise<void> {
  const keys: string[] = [];
  for await (const [key] of table.entries(prefix)) keys.push(key);
  if (keys.length > 0) await table.batch(keys.map((key) => ({ key })));
}

/** The oldest thoughts of the agent go when there are too many, whether they have ended or not, but for those under way. */
async function forgetOld({ table }: StepRowsComponents, agent: string): Promise<void> {
  const begun = new Map<string, number>();
  for await (const [key, bytes] of table.entries(agentPrefix(agent))) {
    const thought = key.slice(0, key.lastIndexOf('/') + 1);
    if (begun.has(thought) || underWay.get(table)?.has(thought) === true) continue;
    begun.set(thought, begunAt(bytes));
  }
  const oldest = [...begun].toSorted(([, one], [, other]) => one - other);
  for (const [thought] of oldest.slice(0, Math.max(0, begun.size - THOUGHTS_KEPT_MAX + 1))) {
    await dropSteps(table, thought);
  }
}

/** What is damaged goes first. */
function begunAt(bytes: Uint8Array): number {
  try {
    const step: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return isObject(step) && typeof step['at'] === 'number' ? step['at'] : 0;
  } catch {
    return 0;
  }
}

function agentPrefix(agent: string): string {
  return `step/${hashOf([agent])}/`;
}

function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
