/** The attacks, by name. */
import { boardAttacks } from './boards.ts';
import { catalogs } from './catalogs.ts';
import { floods } from './floods.ts';
import { hoards } from './hoards.ts';
import { knocks } from './knocks.ts';
import { signedAttacks } from './signed.ts';
import { streamAttacks } from './streams.ts';
import type { Attack } from './attack.ts';

/** In the order in which `bench hostile` runs them. */
export const ATTACKS: readonly Attack[] = [
  ...knocks,
  ...floods,
  ...streamAttacks,
  ...boardAttacks,
  ...signedAttacks,
  ...catalogs,
  ...hoards,
];
