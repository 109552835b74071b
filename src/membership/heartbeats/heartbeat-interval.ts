/** How often a node says that it lives, by how many there are. Pure. */

/**
 * Members up to whom the configured interval holds. Each heartbeat costs every node about 1 ms, so that all of
 * them cost a node `members / interval` ms a second; from here on the interval grows with the members and that stays
 * 5 ms a second. More = heartbeats of the many come sooner, and cost more; neighbours watch each other by the ticks of
 * their links, whatever the interval.
 */
const MEMBERS = 25;

/** How many times the configured interval lies between two heartbeats: `max(1, members / 25)`, at 5 s max(5 s, N / 5 s). */
export function intervalStretch(members: number): number {
  return Math.max(1, members / MEMBERS);
}
