/** Leaving a mesh while no node runs: in the state folder, under the node's own lock. */
import type { LeaveResult } from '../../builtin/results.ts';
import { noteMeshLeft } from '../../config/known-nodes.ts';
import { StarlingError, createHealth, silentLogger, systemClock } from '../../core/index.ts';
import type { PassphraseSource } from '../../identity/index.ts';
import { openIdentityState } from '../../identity-state.ts';
import { endGrants } from '../../leaving.ts';
import type { Mesh } from '../../mesh/types.ts';
import { withOwnKeyAndStore } from './offline-state.ts';

/**
 * Leaves the mesh of `stateDir` if `isAgreed`; undefined when not. What was kept of the mesh is forgotten
 * at the next start.
 * @throws STARLING_STATE_LOCKED, STARLING_KEY_UNUSABLE, STARLING_USAGE when it is in no mesh
 */
export function leaveOffline(
  stateDir: string,
  passphrase: PassphraseSource,
  isAgreed: (mesh: Mesh) => Promise<boolean>,
): Promise<LeaveResult | undefined> {
  return withOwnKeyAndStore(stateDir, passphrase, async ({ identity }, store) => {
    const state = await openIdentityState(
      { identity, store, clock: systemClock, logger: silentLogger, health: createHealth() },
      { name: '' },
    );
    try {
      const mesh = state.ownMesh.mesh();
      if (mesh === undefined) {
        throw new StarlingError('STARLING_USAGE', 'this node is in no mesh', {
          hint: 'found one with: starling up; join one with: starling up --join <ticket>',
        });
      }
      if (!(await isAgreed(mesh))) return undefined;
      const ended = await endGrants(state.grants);
      await state.ownMesh.leave();
      // Only a list reads it: what can't be written keeps nobody in the mesh.
      await noteMeshLeft(stateDir).catch(() => undefined);
      return {
        mesh: mesh.name,
        fingerprint: mesh.fingerprint,
        grants: ended.length,
        told: 0,
      };
    } finally {
      await state.grants.stop();
    }
  });
}
