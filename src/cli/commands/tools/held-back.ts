/** Tools that are quarantined, and so in no list: what a person who looks for them is told. */
import type { PinListResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { NodeClient } from '../../node/client.ts';
import { safeLine } from '../../terminal/output.ts';

/** A tool that is held back. */
export interface HeldTool {
  /** The name under which it would be listed. */
  readonly name: string;
  /** As `starling pin approve` takes it. */
  readonly reference: string;
  readonly why: string;
}

const WHY = {
  new: 'it came after its server was pinned here',
  changed: 'it is not as it was pinned here',
  renamed: 'it is a pinned one under a new name',
  invisible: 'it holds invisible characters',
} as const;

/** The quarantined tools; none where only the operator may see them. */
export async function heldBack(node: NodeClient): Promise<readonly HeldTool[]> {
  try {
    const result = await node.builtin<Partial<PinListResult> | undefined>('pin_list', {});
    return (result?.quarantined ?? [])
      .filter(({ kind }) => kind === 'tool')
      .map(({ peer, server, name, reference, reason }) => ({
        name: [...(peer === undefined ? [] : [peer]), server, name].join('__'),
        reference,
        why: WHY[reason],
      }));
  } catch (error) {
    if (error instanceof StarlingError) return [];
    throw error;
  }
}

/** One line about a tool that is held back. */
export function heldLine({ name, reference, why }: HeldTool): string {
  const next = `look: starling pin list; allow: starling pin approve ${reference}`;
  return safeLine(`${name} is held back: ${why}; ${next}`);
}

/** The answer to who asks for a tool that is held back. */
export function heldError({ name, reference, why }: HeldTool): StarlingError {
  return new StarlingError('STARLING_TOOL_QUARANTINED', `${name} is held back: ${why}`, {
    hint: `look: starling pin list; allow: starling pin approve ${reference}`,
  });
}
