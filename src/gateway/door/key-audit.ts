/** Tells the audit log of API keys that are made and ended. */
import type { Audit } from '../../audit/index.ts';
import type { ApiKeys } from './api-keys.ts';

/** Listens for as long as the keys live. Only the operator makes and ends them. */
export function auditKeys({ events }: Pick<ApiKeys, 'events'>, audit: Pick<Audit, 'note'>): void {
  events.on('change', ({ id, name, scopes, expiresAt }, what) => {
    const until = expiresAt === undefined ? '' : ` until ${new Date(expiresAt).toISOString()}`;
    audit.note({
      kind: 'key',
      who: 'operator',
      what: { ability: what === 'created' ? 'key/create' : 'key/revoke', resource: `key:${name}` },
      outcome: 'ok',
      reason: `${id}: ${scopes.join(', ')}${until}`,
    });
  });
}
