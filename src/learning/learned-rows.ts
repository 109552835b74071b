/** What agents have learned, on the disk: a row a circle, and a row an experience; what belongs together is written together. */
import { isCount, isObject, messageOf } from '../core/index.ts';
import type { Logger } from '../core/index.ts';
import type { Table, Write } from '../store/index.ts';
import { hashOf } from './circles.ts';
import type { Known } from './circles.ts';
import type { Circle, Experience, Learner } from './types.ts';

/** The agent that has learned, and its spawner. */
export type Whose = Pick<Learner, 'agent' | 'owner'>;

/** With the agent that learns there, so that all agents can be listed. */
type CircleRow = Circle & Whose;

/** One change of what an agent has learned. All of it is on the disk, or nothing. */
export interface LearnedChange {
  readonly circle: Circle;
  /** New, or written anew. */
  readonly experience?: Experience | undefined;
  /** Experiences that go, by the sender of their circle. */
  readonly gone?: readonly { readonly circle: string; readonly experience: Experience }[];
  /** A circle that goes, with all that it remembers. */
  readonly dropped?: Known | undefined;
}

const CIRCLE = 'circle/';
const EXPERIENCE = 'experience/';

/** See the file. */
export class LearnedRows {
  readonly #table: Table;
  readonly #logger: Logger;

  constructor(table: Table, logger: Logger) {
    this.#table = table;
    this.#logger = logger;
  }

  /** All agents that have learned anything. */
  async agents(): Promise<readonly Whose[]> {
    const found = new Map<string, Whose>();
    for await (const [key, bytes] of this.#table.entries(CIRCLE)) {
      const row = this.#read(key, bytes, isCircle);
      if (row !== undefined) found.set(agentKey(row), { agent: row.agent, owner: row.owner });
    }
    return [...found.values()];
  }

  /** What an agent has learned, by sender; what is damaged is told of, and left out. */
  async load(whose: Whose): Promise<Map<string, Known>> {
    const known = new Map<string, { circle: Circle; experiences: Experience[] }>();
    const byKey = new Map<string, string>();
    const agent = agentKey(whose);
    for await (const [key, bytes] of this.#table.entries(`${CIRCLE}${agent}/`)) {
      const row = this.#read(key, bytes, isCircle);
      if (row === undefined) continue;
      const { sender, used, works } = row;
      known.set(sender, { circle: { sender, used, works }, experiences: [] });
      byKey.set(hashOf([sender]), sender);
    }
    for await (const [key, bytes] of this.#table.entries(`${EXPERIENCE}${agent}/`)) {
      const sender = byKey.get(key.split('/')[2] ?? '');
      const experience = this.#read(key, bytes, isExperience);
      if (sender === undefined || experience === undefined) continue;
      known.get(sender)?.experiences.push(experience);
    }
    for (const { experiences } of known.values()) {
      experiences.sort((one, other) => one.seq - other.seq);
    }
    return known;
  }

  /** Resolves when all of the change is on the disk. @throws STARLING_STATE_UNUSABLE */
  async write(whose: Whose, change: LearnedChange): Promise<void> {
    const { circle, dropped, experience, gone = [] } = change;
    const { agent, owner } = whose;
    const row: CircleRow = { agent, owner, ...circle };
    const writes: Write[] = [{ key: circleKey(whose, circle.sender), value: bytesOf(row) }];
    if (experience !== undefined) {
      const key = experienceKey(whose, circle.sender, experience);
      writes.push({ key, value: bytesOf(experience) });
    }
    for (const one of gone) writes.push({ key: experienceKey(whose, one.circle, one.experience) });
    if (dropped !== undefined) writes.push(...removalOf(whose, dropped));
    await this.#table.batch(writes);
  }

  /** Takes all away, also what can not be read. @throws STARLING_STATE_UNUSABLE */
  async remove(whose: Whose): Promise<void> {
    const writes: Write[] = [];
    for (const kind of [CIRCLE, EXPERIENCE]) {
      for await (const [key] of this.#table.entries(`${kind}${agentKey(whose)}/`)) {
        writes.push({ key });
      }
    }
    if (writes.length > 0) await this.#table.batch(writes);
  }

  #read<Row>(
    key: string,
    bytes: Uint8Array,
    isRow: (value: unknown) => value is Row,
  ): Row | undefined {
    try {
      const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
      if (!isRow(value)) throw new Error('it is no such row');
      return value;
    } catch (error) {
      const fields = { key, error: messageOf(error) };
      this.#logger.warn(fields, 'what an agent has learned is damaged, left out');
      return undefined;
    }
  }
}

/** Stands for an agent of one spawner. */
export function agentKey({ agent, owner }: Whose): string {
  return hashOf([agent, owner]);
}

function circleKey(whose: Whose, sender: string): string {
  return `${CIRCLE}${agentKey(whose)}/${hashOf([sender])}`;
}

function experienceKey(whose: Whose, sender: string, { id }: Pick<Experience, 'id'>): string {
  return `${EXPERIENCE}${agentKey(whose)}/${hashOf([sender])}/${id}`;
}

function removalOf(whose: Whose, { circle, experiences }: Known): readonly Write[] {
  const { sender } = circle;
  const gone = experiences.map((one) => ({ key: experienceKey(whose, sender, one) }));
  return [{ key: circleKey(whose, sender) }, ...gone];
}

function bytesOf(row: CircleRow | Experience): Uint8Array {
  return Buffer.from(JSON.stringify(row));
}

function isCircle(value: unknown): value is CircleRow {
  return (
    isObject(value) &&
    ['agent', 'owner', 'sender'].every((key) => typeof value[key] === 'string') &&
    isCount(value['used']) &&
    isObject(value['works'])
  );
}

function isExperience(value: unknown): value is Experience {
  return (
    isObject(value) &&
    ['id', 'work', 'situation', 'action', 'zone'].every((key) => typeof value[key] === 'string') &&
    isCount(value['seq']) &&
    Array.isArray(value['by']) &&
    Array.isArray(value['heard'])
  );
}
