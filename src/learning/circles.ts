/**
 * From whom an agent learns what. The operator and the agent's spawner are one circle; every other sender is one of its own.
 * What came of a sender's work counts for that sender's work alone, and is shown in no other's: who tells lies of what was
 * done for it spoils only what it is given, and reads nothing of what others asked. Pure.
 */
import { createHash } from 'node:crypto';
import { CIRCLES_MAX, CIRCLE_EXPERIENCES_MAX, EXPERIENCES_MAX } from './limits.ts';
import { OWN } from './types.ts';
import type { Circle, Experience, Learner } from './types.ts';

/** How an inbox calls the operator, and the node itself. */
const OPERATORS: readonly string[] = ['operator', 'node'];
const BETWEEN = '\n';
const ID_DIGITS = 16;

/** A circle with what it remembers, the oldest first. */
export interface Known {
  readonly circle: Circle;
  readonly experiences: readonly Experience[];
}

/** The circle of a sender, as `senderKey` names it. */
export function circleOf({ owner }: Pick<Learner, 'owner'>, sender: string): string {
  return OPERATORS.includes(sender) || sender === owner ? OWN : sender;
}

/** The id of what came of a message: the same message of the same sender is one thing. */
export function experienceId(circle: string, reference: string): string {
  return `exp_${hashOf([circle, reference]).slice(0, ID_DIGITS)}`;
}

/** A text that stands for some texts, in keys. */
export function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** The circle that gives way to a new one called `sender`; undefined while there is room. */
export function circleToDrop(
  known: ReadonlyMap<string, Known>,
  sender: string,
): string | undefined {
  if (known.size < CIRCLES_MAX) return undefined;
  const counts = new Map<string, number>();
  for (const name of [...known.keys(), sender]) {
    counts.set(originIn(name), (counts.get(originIn(name)) ?? 0) + 1);
  }
  const others = [...known].filter(([name]) => name !== OWN);
  // Who comes under many names pushes out its own ones.
  const most = Math.max(...others.map(([name]) => counts.get(originIn(name)) ?? 0));
  const [oldest] = others
    .filter(([name]) => counts.get(originIn(name)) === most)
    .toSorted(([, one], [, other]) => one.circle.used - other.circle.used);
  return oldest?.[0];
}

/** The experiences that give way to one more of `circle`: at the most one of the circle, and one of the fullest. */
export function experiencesToDrop(
  known: ReadonlyMap<string, Known>,
  circle: string,
): readonly { readonly circle: string; readonly experience: Experience }[] {
  const own = known.get(circle)?.experiences ?? [];
  const [first] = own;
  if (own.length >= CIRCLE_EXPERIENCES_MAX && first !== undefined) {
    return [{ circle, experience: first }];
  }
  const all = [...known].reduce((sum, [, { experiences }]) => sum + experiences.length, 0);
  if (all < EXPERIENCES_MAX) return [];
  const [fullest] = [...known].toSorted(
    ([, one], [, other]) => other.experiences.length - one.experiences.length,
  );
  const oldest = fullest?.[1].experiences[0];
  return fullest === undefined || oldest === undefined
    ? []
    : [{ circle: fullest[0], experience: oldest }];
}

/** The last link of a chain: the node, or the caller here, by whose word all came. */
function originIn(sender: string): string {
  const first = sender.split(BETWEEN)[0] ?? sender;
  const at = first.lastIndexOf('@');
  return at < 0 ? first : first.slice(at + 1);
}
