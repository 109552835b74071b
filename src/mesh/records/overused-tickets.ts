/** Tells people of tickets that let in more nodes than they were for: members that were cut off from each other count apart. */
import type { Did, Health } from '../../core/index.ts';
import type { Successions } from '../../grants/index.ts';
import { peerIdFromDid } from '../../identity/index.ts';
import type { Invites } from './invites.ts';

/** Health warning while a ticket has let in more nodes than it was for. */
const OVERUSED = 'ticket-overused';
/** Nodes that the warning names. */
const TOLD_MAX = 4;

/** What the telling works with. */
export interface OverusedTicketsComponents {
  readonly invites: Invites;
  readonly successions: Pick<Successions, 'current'>;
  /** Whether a key was ever given a membership, and whether it has one that holds now. */
  readonly members: { isKnown(did: Did): boolean; isMember(did: Did): boolean };
  readonly health?: Pick<Health, 'raise' | 'clear'> | undefined;
}

/** The tickets that may be overused. */
export interface OverusedTickets {
  /** A ticket was used; or some use of one, or a membership, is over: when `jti` is absent. */
  look(jti?: string): void;
}

/** Makes it, with none. */
export function createOverusedTickets(components: OverusedTicketsComponents): OverusedTickets {
  const { invites, successions, members, health } = components;
  const tickets = new Set<string>();
  /** Who used an invite and was not put out since. Whose membership is still on its way counts. */
  const usersLeft = (jti: string): readonly Did[] =>
    invites.users(jti).filter((did) => {
      const current = successions.current(did);
      return !members.isKnown(current) || members.isMember(current);
    });
  return {
    look(used) {
      if (used !== undefined) tickets.add(used);
      for (const jti of tickets) {
        if (usersLeft(jti).length <= invites.usesOf(jti)) tickets.delete(jti);
      }
      const jti = [...tickets].at(-1);
      if (jti === undefined) {
        health?.clear(OVERUSED);
        return;
      }
      const users = usersLeft(jti);
      const uses = invites.usesOf(jti);
      const names = users.slice(0, TOLD_MAX).map(peerIdFromDid).join(', ');
      health?.raise({
        code: OVERUSED,
        text: `ticket ${jti.slice(0, 8)} was for ${uses} node${uses === 1 ? '' : 's'} and let in ${users.length} (${names}): members that could not hear of each other each let one in`,
        hint: 'if you do not know one of them, put it out, at the member that let it in: starling peers remove <peer>',
      });
    },
  };
}
