/** Tells the audit log of API keys that are made and ended, and of pins that are approved. */
import type { Audit } from '../audit/index.ts';
import type { ApiKeys } from './door/api-keys.ts';
import type { Pins } from './pins/pins.ts';

/** Names that one entry spells out. */
const NAMES_MAX = 20;

/** Listens for as long as the two live. Only the operator does either. */
export function auditKeysAndPins(
  { keys, pins }: { readonly keys: Pick<ApiKeys, 'events'>; readonly pins: Pick<Pins, 'events'> },
  audit: Pick<Audit, 'note'>,
): void {
  keys.events.on('change', ({ id, name, scopes, expiresAt }, what) => {
    const until = expiresAt === undefined ? '' : ` until ${new Date(expiresAt).toISOString()}`;
    audit.note({
      kind: 'key',
      who: 'operator',
      what: { ability: what === 'created' ? 'key/create' : 'key/revoke', resource: `key:${name}` },
      outcome: 'ok',
      reason: `${id}: ${scopes.join(', ')}${until}`,
    });
  });
  pins.events.on('approved', (owner, server, names) => {
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
