/** Tells the audit log of pins that are approved. */
import type { Audit } from '../../audit/index.ts';
import type { Pins } from './pins.ts';

/** Names that one entry spells out. */
const NAMES_MAX = 20;

/** Listens for as long as the pins live. Only the operator approves any. */
export function auditPins({ events }: Pick<Pins, 'events'>, audit: Pick<Audit, 'note'>): void {
  events.on('approved', (owner, server, names) => {
    const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : '';
    const reference = owner === '' ? server : `@${owner}/${server}`;
    audit.note({
      kind: 'pin',
      who: 'operator',
      what: { ability: 'pin/approve', resource: `pin:${reference}` },
      outcome: 'ok',
      reason: `${names.slice(0, NAMES_MAX).join(', ')}${more}`,
    });
  });
}
