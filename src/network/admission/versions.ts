/**
 * Which version of the protocols a node speaks. The hello tells it, and nodes of two versions refuse one another by
 * name: what a link carries is only read the same way by nodes of the same version.
 */
import { StarlingError, VERSION } from '../../core/index.ts';
import type { PeerId } from '../../core/index.ts';
import { HELLO_VERSION } from '../constants.ts';
import type { SpokenVersion } from '../types.ts';

/** What this node says of itself. */
export const OWN_VERSION: SpokenVersion = { version: HELLO_VERSION, release: VERSION };

/** Nodes of the first version do not tell their release. */
const FIRST_RELEASE = '0.1';
const TAKEN_OVER = 'its state folder is taken over as it is';

/** A version as people read it. */
export function versionText({ version, release }: SpokenVersion): string {
  const known = release ?? (version === 1 ? FIRST_RELEASE : undefined);
  const name = known === undefined ? 'another Starling' : `Starling ${known}`;
  return `${name} (version ${version} of the protocols)`;
}

/** What to do about a node that speaks `theirs`, which is known by `name`. */
export function versionHint(name: string, theirs: SpokenVersion): string {
  return theirs.version < HELLO_VERSION
    ? `update Starling at ${name}: ${TAKEN_OVER}`
    : `update Starling on this machine: ${TAKEN_OVER}`;
}

/** Why a peer of another version is not let in, and does not let this node in; `data.theirs` is its version. */
export function versionError(peer: PeerId, theirs: SpokenVersion): StarlingError {
  return new StarlingError(
    'STARLING_VERSION_UNSUPPORTED',
    `${peer} runs ${versionText(theirs)}, and this node ${versionText(OWN_VERSION)}: they form no mesh`,
    { hint: versionHint('that node', theirs), data: { peer, theirs } },
  );
}

/** The same as the other node reads it: its reader is the person there. */
export function versionRefusal(theirs: SpokenVersion): string {
  const older = theirs.version < HELLO_VERSION;
  const what = older ? `update Starling on your machine: ${TAKEN_OVER}` : 'update Starling there';
  return `that node runs ${versionText(OWN_VERSION)}, and yours runs ${versionText(theirs)}: ${what}`;
}

/** The version that an error of {@link versionError} tells of. */
export function versionIn(error: unknown): SpokenVersion | undefined {
  if (!(error instanceof StarlingError)) return undefined;
  const { theirs } = error.data;
  return error.code === 'STARLING_VERSION_UNSUPPORTED' ? (theirs as SpokenVersion) : undefined;
}
