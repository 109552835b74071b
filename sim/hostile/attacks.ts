/** The attacks, by name. */
import { floods } from './floods.ts';
import { knocks } from './knocks.ts';
import { streamAttacks } from './streams.ts';
import type { Attack } from './attack.ts';

/** All of them. */
export const ATTACKS: readonly Attack[] = [...knocks, ...floods, ...streamAttacks];
