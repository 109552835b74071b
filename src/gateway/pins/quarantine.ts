/** What is quarantined, how a person calls it, and what a caller of it is told. */
import { StarlingError, printable, shellWord } from '../../core/index.ts';
import type { PinKind } from './definition.ts';
import type { InvisibleFlag } from './invisible-characters.ts';
import type { QuarantineReason } from './pin-rows.ts';

/** Something that a server lists, and that we do not offer. */
export interface Quarantined {
  readonly kind: PinKind;
  /** Name of the tool or prompt; `instructions` for those. */
  readonly name: string;
  readonly reason: QuarantineReason;
  /** The pinned name that it had before, when it was renamed. */
  readonly was?: string;
  readonly flags: readonly InvisibleFlag[];
}

/** A server as people here name it. */
export interface ServerName {
  /** Alias of the owner; absent for a server of this node. */
  readonly peer?: string;
  readonly server: string;
}

/** The reference by which `starling pin approve` knows a thing: `[<peer>/]<server>/<name>`. */
export function pinReference(at: ServerName, name: string): string {
  return [...(at.peer === undefined ? [] : [at.peer]), at.server, name].join('/');
}

/** Why a call of something that is quarantined is refused. `self`: this node, for callers elsewhere. */
export function quarantineError(
  at: ServerName,
  quarantined: Quarantined,
  self?: string,
): StarlingError {
  const { kind, name, reason } = quarantined;
  const reference = pinReference(at, name);
  const listed = [...(at.peer === undefined ? [] : [at.peer]), at.server, name].join('__');
  const where = self === undefined ? '' : `on ${self}, `;
  return new StarlingError(
    'STARLING_TOOL_QUARANTINED',
    `${kind === 'tool' ? '' : `${kind} `}${printable(listed)} is held back: ${REASONS[reason]}`,
    {
      hint: `${where}look: starling pin list; allow: starling pin approve ${printable(shellWord(reference), 300)}`,
      // Not called `reason`: on the wire that member is the message.
      data: {
        held: reason,
        server: at.server,
        ...(at.peer === undefined ? {} : { peer: at.peer }),
      },
    },
  );
}

const REASONS: Readonly<Record<QuarantineReason, string>> = {
  changed: 'its definition is not the one that was pinned here',
  new: 'it came after its server was pinned here',
  renamed: 'it is a pinned one under a new name',
  invisible: 'its definition holds invisible characters',
};
