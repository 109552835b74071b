/** Tells the audit log who was let into the mesh by this node, and who was not. */
import type { Audit, AuditInit } from '../audit/index.ts';
import type { Clock } from '../core/index.ts';
import { didFromPeerId } from '../identity/index.ts';
import type { Admission } from '../network/index.ts';

/** Refusals that are told in a minute; what is more is only counted, for anybody can knock. */
const REFUSALS_MAX = 30;
const MINUTE_MS = 60_000;

/** The same admission, and each join and refusal of it is told. Members that come back are not. */
export function auditAdmission(
  admission: Admission,
  audit: Pick<Audit, 'note'>,
  clock: Clock,
): Admission {
  let minute = { beganAt: -Infinity, told: 0 };
  let untold = 0;

  const refused = (entry: AuditInit): void => {
    const now = clock.now();
    if (Math.abs(now - minute.beganAt) >= MINUTE_MS) minute = { beganAt: now, told: 0 };
    if (minute.told >= REFUSALS_MAX) {
      untold += 1;
      return;
    }
    minute.told += 1;
    const more = untold === 0 ? '' : ` (and ${untold} others were refused before)`;
    untold = 0;
    audit.note({ ...entry, reason: `${entry.reason ?? ''}${more}` });
  };
  return {
    hello: (peer) => admission.hello(peer),
    inTurn: (greet) => admission.inTurn(greet),
    answered: (welcome, peer) => admission.answered(welcome, peer),
    isMember: (peer) => admission.isMember(peer),
    async admit(hello, peer) {
      const welcome = await admission.admit(hello, peer);
      const who = didFromPeerId(peer);
      const what = { ability: 'mesh/join', resource: `mesh:${String(hello.mesh ?? '')}` };
      // Whoever names no mesh only asks which one this is.
      if (!welcome.ok && hello.mesh === undefined) return welcome;
      if (!welcome.ok) {
        const reason = `${welcome.code}: ${welcome.reason}`;
        refused({ kind: 'mesh', who, what, outcome: 'denied', reason });
      } else if (welcome.issued !== undefined) {
        audit.note({ kind: 'mesh', who, what, outcome: 'allowed', reason: `as ${hello.name}` });
      }
      return welcome;
    },
  };
}
